"""Links: what RFC 8288 says, what servers send, and what hostile ones try."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.fields.links import MAX_LINKS, Link, links_of, parse_links
from crlf.message.headers import Headers
from crlf.message.url import URL

pytestmark = pytest.mark.rfc("8288", "3")

BASE = URL("https://a.example/list/page?n=1#here")


def parsed(text: str) -> list[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]]:
    return [(str(link.url), link.rel, link.params) for link in parse_links(text, BASE)]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ('<https://b.example/2>; rel="next"', [("https://b.example/2", ("next",), ())]),
        ("<?n=2>;rel=next", [("https://a.example/list/page?n=2", ("next",), ())]),
        ("<2> ; rel = next", [("https://a.example/list/2", ("next",), ())]),
        ('<>; rel="self"', [("https://a.example/list/page?n=1", ("self",), ())]),
        ('</x>; rel="NEXT last\tnext"', [("https://a.example/x", ("next", "last"), ())]),
        (
            '</a,b;c>; rel="next", </d>; rel=prev',
            [("https://a.example/a,b;c", ("next",), ()), ("https://a.example/d", ("prev",), ())],
        ),
        (
            '</a>; rel=next; title="a, b; <c> \\"d\\""; crossorigin; as=font; type=font/woff2',
            [
                (
                    "https://a.example/a",
                    ("next",),
                    (
                        ("title", 'a, b; <c> "d"'),
                        ("crossorigin", ""),
                        ("as", "font"),
                        ("type", "font/woff2"),
                    ),
                )
            ],
        ),
        ("</a>; REL=next; Foo=Bar", [("https://a.example/a", ("next",), (("foo", "Bar"),))]),
        ("</a>;; ;rel=next;", [("https://a.example/a", ("next",), ())]),
        (" , ,</a>;rel=next,,", [("https://a.example/a", ("next",), ())]),
        ("<mailto:a@b.example>; rel=author", [("mailto:a@b.example", ("author",), ())]),
        # RFC 8288 3.3: only the first rel counts.
        ("</a>; rel=next; rel=prev", [("https://a.example/a", ("next",), ())]),
        ('</a>; rel=""; rel=next', []),
        # In UTF-8, and in bytes that are not.
        ("</\xc3\xa9>; rel=next", [("https://a.example/%C3%A9", ("next",), ())]),
        ("</\xe9>; rel=next", [("https://a.example/%E9", ("next",), ())]),
    ],
)
def test_links_are_read(text: str, links: list[object]) -> None:
    assert parsed(text) == links


@pytest.mark.parametrize(
    "broken",
    [
        "</a>",
        "</a>; title=x",
        "/a; rel=next",
        "a</a>; rel=next",
        "</a> x; rel=next",
        '</a>; rel="next" x',
        '</a>; rel="next"x',
        "</a>; =x; rel=next",
        '</a>; rel=ne"xt"',
        "<http://>; rel=next",
        "<https://a.example:99999/>; rel=next",
        '</a>; rel=next; anchor="http://["',
        '/a; x="</c>; rel=next, </d>; rel=prev"',
    ],
)
def test_a_broken_link_is_passed_over_and_the_next_one_read(broken: str) -> None:
    assert parsed(f"{broken}, </b>; rel=last") == [("https://a.example/b", ("last",), ())]


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "<", "</a", '</a>; rel="next', '</a>; rel=next; title="x', 'x"', "<>", ">"],
)
def test_what_is_not_closed_ends_the_reading(text: str) -> None:
    assert parsed(text) == []
    assert len(parsed(f"</b>; rel=last, {text}")) == 1


@pytest.mark.rfc("8288", "3.4.1")
def test_hints_have_names() -> None:
    (link,) = parse_links(
        "</a>; rel=next; title=\"plain\"; title*=UTF-8'de'n%c3%a4chstes%20Kapitel;"
        " type=text/html; hreflang=de; hreflang=en",
        BASE,
    )
    assert link.title == "n\u00e4chstes Kapitel"
    assert link.type == "text/html"
    assert link.hreflang == ("de", "en")
    (link,) = parse_links("</a>; rel=next; title=plain; title*=UTF-8''%zz", BASE)
    assert link.title == "plain"
    assert link.type is None


def test_a_link_is_a_value() -> None:
    one = Link(URL("http://a.example/"), ("next",))
    assert one == Link(URL("http://a.example/"), ("next",))
    assert len({one, Link(URL("http://a.example/"), ("next",))}) == 1


def test_links_of_a_response_come_by_relation_and_the_first_counts() -> None:
    headers = Headers(
        [("link", '</2>; rel="next", </9>; rel="last next"'), ("Link", "</1>; rel=prev")]
    )
    links = links_of(headers, BASE)
    assert {name: str(link.url) for name, link in links.items()} == {
        "next": "https://a.example/2",
        "last": "https://a.example/9",
        "prev": "https://a.example/1",
    }
    assert links_of(Headers(), BASE) == {}


@pytest.mark.rfc("8288", "3.2")
def test_a_link_about_something_else_is_no_link_of_this_page() -> None:
    elsewhere = Headers({"link": '</2>; rel=next; anchor="https://b.example/"'})
    assert links_of(elsewhere, BASE) == {}
    (link,) = parse_links(elsewhere["link"], BASE)
    assert link.anchor == URL("https://b.example/")
    here = Headers({"link": '</2>; rel=next; anchor=""'})
    assert "next" in links_of(here, BASE)


def test_an_open_quote_of_one_field_does_not_reach_the_next() -> None:
    headers = Headers([("link", '</1>; rel="next'), ("link", "</2>; rel=next")])
    assert str(links_of(headers, BASE)["next"].url) == "https://a.example/2"


def test_links_are_counted() -> None:
    many = ", ".join(f"</{number}>; rel=r{number}" for number in range(1000))
    assert len(parse_links(many, BASE)) == MAX_LINKS
    assert len(links_of(Headers([("link", many), ("link", many)]), BASE)) == MAX_LINKS


@pytest.mark.parametrize(
    "piece",
    [
        "<,",
        ',"',
        '\\"',
        '"\\"',
        ",<>",
        "<>;",
        ";",
        "<a>;=",
        "<>;a=",
        '<>;a="',
        " ",
        "\t,",
        '<>;"',
        "<>; ",
    ],
)
def test_reading_takes_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        text = '"' * (size % 2) + piece * (size // len(piece))
        began = process_time()
        parse_links(text, BASE, 10**9)
        return process_time() - began

    seconds(1000)
    # The head's limit is 64 KiB: what takes as long here as a quadratic walk, takes seconds.
    assert min(seconds(64 * 1024), seconds(64 * 1024 + 1)) < 0.5


@given(st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=200))
def test_anything_can_be_read(text: str) -> None:
    for link in parse_links(text, BASE):
        assert link.rel


@given(
    st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=40),
    st.from_regex("[a-z]{1,10}", fullmatch=True),
)
def test_a_quoted_value_comes_back(value: str, rel: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    (link,) = parse_links(f'</x>; q="{quoted}"; rel={rel}', BASE)
    assert link.params == (("q", value),)
    assert link.rel == (rel,)
