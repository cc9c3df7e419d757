"""Routes are found by what is most specific, in constant time, and paths are never repaired."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from types import FrameType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import Malformed
from crlf.message.percent import percent_encode
from crlf.rules.routes import KINDS, Found, Missed, Pattern, Routes

ID = "123e4567-e89b-12d3-a456-426614174000"


def routes(*patterns: str, methods: tuple[str, ...] = ("GET",)) -> Routes[str]:
    """Routes whose endpoint is the pattern's own text, and whose name is that too."""
    made: Routes[str] = Routes()
    for text in patterns:
        made.add(Pattern(text), methods, text, text)
    return made


def found(made: Routes[str], path: str, method: str = "GET") -> tuple[str, Mapping[str, object]]:
    result = made.find(method, path)
    assert isinstance(result, Found), result
    return result.endpoint, dict(result.values)


def missed(made: Routes[str], path: str, method: str = "GET") -> Missed:
    result = made.find(method, path)
    assert isinstance(result, Missed), result
    return result


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("/", "/", {}),
        ("/a/b", "/a/b", {}),
        ("/a/", "/a/", {}),
        ("/über uns", "/%C3%BCber%20uns", {}),
        ("/abc", "/%61bc", {}),  # RFC 3986 6.2.2.2: an unreserved character is itself
        ("/{x}", "/a%20b", {"x": "a b"}),
        ("/{x}", "/%C3%BC", {"x": "ü"}),
        ("/{x}", "/...", {"x": "..."}),
        ("/{x}", "/%2525", {"x": "%25"}),  # decoded once
        ("/part/{number:int}", "/part/7", {"number": 7}),
        ("/part/{number:int}", "/part/007", {"number": 7}),
        ("/part/{number:int}", "/part/" + "9" * 18, {"number": 10**18 - 1}),
        ("/at/{x:float}/{y:float}", "/at/-1.25/3", {"x": -1.25, "y": 3.0}),
        ("/at/{x:float}", "/at/0.1", {"x": 0.1}),
        ("/i/{id:uuid}", f"/i/{ID.upper()}", {"id": UUID(ID)}),
        ("/{s:slug}", "/a-b_C3", {"s": "a-b_C3"}),
        ("/f/{rest:path}", "/f/a/b%20c/d", {"rest": "a/b c/d"}),
        ("/f/{rest:path}", "/f/", {"rest": ""}),
        ("/f/{rest:path}", "/f/a/", {"rest": "a/"}),
        ("/f/{rest:path}", "/f/a//b", {"rest": "a//b"}),
        ("/{rest:path}", "/", {"rest": ""}),
        ("/{a}/{b:int}/c", "/x/1/c", {"a": "x", "b": 1}),
    ],
)
def test_a_path_is_found_with_its_values(
    pattern: str, path: str, values: dict[str, object]
) -> None:
    result = found(routes(pattern), path)
    assert result == (pattern, values)
    assert [type(value) for value in result[1].values()] == [type(v) for v in values.values()]


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("/a", "/A"),
        ("/a", "/a/b"),
        ("/a", "//a"),
        ("/a/b", "/a//b"),
        ("/{x}", "/"),
        ("/{x}", "/a/b"),
        ("/{x:int}", "/-1"),
        ("/{x:int}", "/+1"),
        ("/{x:int}", "/1_0"),
        ("/{x:int}", "/%EF%BC%91"),  # a fullwidth digit
        ("/{x:int}", "/" + "1" * 19),
        ("/{x:int}", "/1.0"),
        ("/{x:float}", "/nan"),
        ("/{x:float}", "/1e5"),
        ("/{x:float}", "/1."),
        ("/{x:float}", "/" + "1" * 19),
        ("/{x:uuid}", "/" + ID.replace("-", "")),
        ("/{x:uuid}", "/{" + ID + "}"),
        ("/{x:slug}", "/a.b"),
        ("/{x:slug}", "/a%0A"),
        ("/f/{rest:path}", "/f"),
        ("/{rest:path}", "//etc/passwd"),
        ("/f/{rest:path}", "/f//etc/passwd"),
        ("/*", "*"),
        ("/{x}", ""),
    ],
)
def test_what_does_not_fit_is_missed(pattern: str, path: str) -> None:
    assert missed(routes(pattern), path).allowed == ()


@pytest.mark.rfc("3986", "3.3")
@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/a/./b",
        "/../b",
        "/a/..",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a/x%2Fb",
        "/a/..%2Fb",
        "/a/x%5Cb",
        "/a/x\\b",
        "/a/x%0Ab",
        "/a/x%7F",
    ],
)
def test_a_path_that_could_climb_meets_no_handler(path: str) -> None:
    everything = routes("/a/{x}", "/a/{x}/b", "/b", "/{rest:path}", "/{x}/{y}/{z}")
    assert missed(everything, path) == Missed((), None)


@pytest.mark.parametrize("path", ["/%", "/a%2", "/%zz", "/%00", "/a%00b", "/%FF", "/%C3%28"])
@pytest.mark.rfc("3986", "2.1")
def test_a_path_that_cannot_be_decoded_is_refused(path: str) -> None:
    with pytest.raises(Malformed):
        routes("/{x}").find("GET", path)


def test_the_most_specific_wins_in_any_order() -> None:
    patterns = [
        "/{p:path}",
        "/{x}",
        "/{x:slug}",
        "/{x:float}",
        "/{x:uuid}",
        "/{x:int}",
        "/7",
    ]
    expected = {
        "/7": "/7",
        "/8": "/{x:int}",
        f"/{ID}": "/{x:uuid}",
        "/8.5": "/{x:float}",
        "/a-b": "/{x:slug}",
        "/a.b": "/{x}",
        "/a/b": "/{p:path}",
    }
    for order in (patterns, patterns[::-1]):
        made = routes(*order)
        assert {path: found(made, path)[0] for path in expected} == expected


def test_a_way_that_leads_nowhere_is_left_again() -> None:
    made = routes("/a/b/c", "/a/{x}/d", "/{x}/b/e", "/{x:int}/{y}/z", "/{rest:path}")
    assert found(made, "/a/b/d") == ("/a/{x}/d", {"x": "b"})
    assert found(made, "/a/b/e") == ("/{x}/b/e", {"x": "a"})
    assert found(made, "/1/b/e") == ("/{x}/b/e", {"x": "1"})
    assert found(made, "/1/b/f") == ("/{rest:path}", {"rest": "1/b/f"})


def test_each_method_may_name_the_slots_its_own_way() -> None:
    made: Routes[str] = Routes()
    made.add(Pattern("/{here}"), ["GET"], "get", "get")
    made.add(Pattern("/{there}"), ["PUT"], "put", "put")
    assert found(made, "/x") == ("get", {"here": "x"})
    assert found(made, "/x", "PUT") == ("put", {"there": "x"})


# --- methods -------------------------------------------------------------------------------------


@pytest.mark.rfc("9110", "9.3.2")
@pytest.mark.parametrize("path", ["/a", "/b/1"])
def test_get_answers_head(path: str) -> None:
    assert found(routes("/a", "/b/{x}"), path, "HEAD")[0] in ("/a", "/b/{x}")


def test_a_head_of_its_own_is_preferred() -> None:
    made = routes("/a")
    made.add(Pattern("/a"), ["HEAD"], "head", "head")
    assert found(made, "/a", "HEAD")[0] == "head"
    assert found(made, "/a")[0] == "/a"


@pytest.mark.rfc("9110", "15.5.6")
def test_a_path_with_other_methods_says_which() -> None:
    made = routes("/a/{x}", methods=("POST", "GET"))
    made.add(Pattern("/a/b"), ["DELETE"], "b", "b")
    assert missed(made, "/a/b", "PUT").allowed == ("DELETE", "GET", "HEAD", "OPTIONS", "POST")
    assert missed(made, "/a/c", "DELETE").allowed == ("GET", "HEAD", "OPTIONS", "POST")
    assert missed(made, "/a", "GET").allowed == ()


def test_a_method_is_looked_for_in_all_that_fits() -> None:
    made = routes("/a/b")
    made.add(Pattern("/a/{x}"), ["POST"], "post", "post")
    assert found(made, "/a/b", "POST") == ("post", {"x": "b"})


@pytest.mark.rfc("9110", "9.1")
def test_methods_have_a_case() -> None:
    assert missed(routes("/a"), "/a", "get").allowed == ("GET", "HEAD", "OPTIONS")


# --- the slash at the end ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "path", "variant"),
    [
        ("/a", "/a/", "/a"),
        ("/a/", "/a", "/a/"),
        ("/{x}/", "/a%20b", "/a%20b/"),
        ("/{x:int}", "/7/", "/7"),
        ("/f/{rest:path}", "/f", "/f/"),
        ("/a", "/b/", None),
        ("/a", "/a//", None),
        ("/", "", None),
        ("/{x}", "//evil.example/", None),
        ("/{x}/", "//evil.example", None),
        ("/{rest:path}", "//evil.example/", None),
        ("/{x}/{y}", "//evil.example/a/", None),
    ],
)
def test_a_slash_more_or_less_is_offered(pattern: str, path: str, variant: str | None) -> None:
    assert missed(routes(pattern), path) == Missed((), variant)


def test_a_slash_is_not_offered_for_a_method_that_is_not_there_either() -> None:
    assert missed(routes("/a"), "/a/", "POST").variant is None
    assert missed(routes("/a"), "/a/", "HEAD").variant == "/a"


@given(st.text("/.%2eE\\aFf:@", max_size=12))
def test_no_variant_names_a_host(tail: str) -> None:
    made = routes("/", "/{x}", "/{x}/", "/{x}/{y}", "/{x}/{y}/", "/f/{rest:path}")
    try:
        result = made.find("GET", "/" + tail)
    except Malformed:
        return
    if isinstance(result, Missed) and result.variant is not None:
        assert result.variant[0] == "/"
        assert not result.variant.startswith(("//", "/\\"))
    if isinstance(result, Found):
        for value in result.values.values():
            assert isinstance(value, str)
            assert not {".", ".."} & set(value.split("/"))
            assert "\\" not in value
            assert not value.startswith("/")


# --- patterns ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "{x}",
        "//a",
        "/a//b",
        "/a//",
        "/{x}/{x}",
        "/{rest:path}/a",
        "/{x:number}",
        "/{x",
        "/x}",
        "/a{x}",
        "/{x}.json",
        "/{1}",
        "/{}",
        "/{x:}",
        "/{ü}",
        "/a%20b",
        "/a?b",
        "/a#b",
        "/a/../b",
        "/.",
        "/a\nb",
        "/a\\b",
    ],
)
def test_a_pattern_that_could_mislead_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="route"):
        Pattern(text)


@pytest.mark.parametrize("methods", [("GET",), ("POST", "GET")])
def test_a_route_is_given_once(methods: tuple[str, ...]) -> None:
    made = routes("/a/{x}", "/f/{p:path}")
    for again in ("/a/{y}", "/f/{q:path}"):
        with pytest.raises(ValueError, match=r"GET .* is taken, by the route /"):
            made.add(Pattern(again), methods, "again", "again")
    assert missed(made, "/a/x", "POST").allowed == ("GET", "HEAD", "OPTIONS")  # all or nothing


@pytest.mark.rfc("9110", "9.3.8")
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "get", "trace", "", "A B", "GET\n", "Ä"])
def test_a_method_that_no_route_can_have(method: str) -> None:
    with pytest.raises(ValueError, match=r"no method|in capitals: GET, not get"):
        Routes[str]().add(Pattern("/"), [method], "x", "x")


# --- urls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "values", "path"),
    [
        ("/", {}, "/"),
        ("/über uns/", {}, "/%C3%BCber%20uns/"),
        ("/part/{number:int}", {"number": 7}, "/part/7"),
        ("/part/{number:int}", {"number": "7"}, "/part/7"),
        ("/{x}", {"x": "a b?#%&+ü"}, "/a%20b%3F%23%25&+%C3%BC"),
        ("/{id:uuid}", {"id": UUID(ID)}, f"/{ID}"),
        ("/{x:float}", {"x": -0.5}, "/-0.5"),
        ("/f/{p:path}", {"p": "a/b c"}, "/f/a/b%20c"),
        ("/f/{p:path}", {"p": ""}, "/f/"),
    ],
)
def test_a_url_is_written(pattern: str, values: dict[str, object], path: str) -> None:
    assert routes(pattern).url(pattern, values) == path


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("/{n:int}", {"n": -1}),
        ("/{n:int}", {"n": True}),
        ("/{n:int}", {"n": 1.5}),
        ("/{n:int}", {"n": 10**18}),
        ("/{x:float}", {"x": float("inf")}),
        ("/{x}", {"x": ""}),
        ("/{x}", {"x": ".."}),
        ("/{x}", {"x": "a/b"}),
        ("/{x}", {"x": "a\nb"}),
        ("/{x:slug}", {"x": "ü"}),
        ("/f/{p:path}", {"p": "../x"}),
        ("/f/{p:path}", {"p": "/x"}),
        ("/{x}", {}),
        ("/{x}", {"y": "a"}),
        ("/{x}", {"x": "a", "y": "a"}),
    ],
)
def test_a_url_that_would_not_lead_back_is_refused(pattern: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"fit|no route"):
        routes(pattern).url(pattern, values)


def test_a_name_may_have_several_patterns() -> None:
    made: Routes[str] = Routes()
    for text in ("/", "/page/{number:int}"):
        made.add(Pattern(text), ["GET"], "index", "index")
    assert made.url("index", {}) == "/"
    assert made.url("index", {"number": 2}) == "/page/2"
    made.add(Pattern("/elsewhere"), ["GET"], "other", "index")
    with pytest.raises(ValueError, match="several routes called 'index'"):
        made.url("index", {})
    with pytest.raises(ValueError, match="no route is called 'home'"):
        made.url("home", {})


VALUES = {
    "int": st.integers(0, 10**18 - 1),
    "uuid": st.uuids(),
    "float": st.floats(-1e15, 1e15, allow_nan=False).filter(lambda x: "e" not in repr(x)),
    "slug": st.from_regex(r"[A-Za-z0-9_-]{1,10}", fullmatch=True),
    "str": st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).filter(
        lambda text: text not in (".", "..") and not set(text) & set("/\\")
    ),
}


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_what_is_written_is_read_back(data: st.DataObject, kind: str) -> None:
    value = data.draw(VALUES[kind])
    made = routes(f"/a/{{x:{kind}}}/b")
    path = made.url(f"/a/{{x:{kind}}}/b", {"x": value})
    assert path.isascii()
    assert found(made, path)[1] == {"x": value}


def test_a_small_number_of_many_digits_is_read_back() -> None:
    made = routes("/a/{x:float}/b")
    value = 0.0015612975765388322  # 19 digits after the point
    assert found(made, made.url("/a/{x:float}/b", {"x": value}))[1] == {"x": value}


def test_every_kind_is_tried() -> None:
    assert {*VALUES, "path"} == set(KINDS)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="{}%?#/\\", exclude_categories=["Cc"]))
)
def test_a_literal_is_found_by_its_raw_path(segment: str) -> None:
    if segment in (".", ".."):
        return
    made = routes(f"/x/{segment}")
    (raw,) = made.literals
    assert found(made, raw)[0] == f"/x/{segment}"
    assert found(made, "/x/" + percent_encode(segment, ""))[0] == f"/x/{segment}"


# --- cost ----------------------------------------------------------------------------------------


def calls_of(made: Routes[str], path: str) -> int:
    """Count the calls, of Python and of C, that one search takes."""
    count = 0

    def see(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # a callback of the collection would be counted, too
    sys.setprofile(see)
    try:
        made.find("GET", path)
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("path", ["/a5/x", "/b5/7", "/c5/x/y/z", "/nothing/at/all", "/b5/7/"])
def test_the_number_of_routes_costs_nothing(path: str) -> None:
    def sized(number: int) -> Routes[str]:
        each = range(number)
        return routes(
            *[f"/a{i}/x" for i in each],
            *[f"/b{i}/{{n:int}}" for i in each],
            *[f"/c{i}/{{p:path}}" for i in each],
        )

    assert calls_of(sized(10), path) == calls_of(sized(1000), path)


def test_many_segments_cost_no_more_than_their_number() -> None:
    made = routes("/{a}/{b}/{c}", "/{a:int}/{b}/{c}", "/{rest:path}")
    few, many = calls_of(made, "/1" * 100), calls_of(made, "/1" * 1000)
    assert many < 11 * few
