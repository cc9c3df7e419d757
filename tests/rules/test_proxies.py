"""Which proxy: what users write, what an environment says, and what is never proxied.

The rows for no_proxy are behaviours of curl (lib/noproxy.c) and Go (httpproxy), and the faults
that were found in others: a suffix that is no label (bpo-39057), a zone taken for a name
(CVE-2025-22870), a client's field taken for a variable (CVE-2016-5385).
"""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.message.errors import BadUrl
from crlf.message.url import URL
from crlf.rules.exemptions import MAX_ENTRIES, Exemptions
from crlf.rules.proxies import Proxies, Proxy, environment_proxies

SECRET = "s3cret"


def chosen(proxies: Proxies | None, url: str) -> str | None:
    found = None if proxies is None else proxies.for_url(URL(url))
    return None if found is None else str(found)


# --- one proxy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown", "username", "password"),
    [
        ("proxy.example", "http://proxy.example:80", None, None),
        ("proxy.example:3128", "http://proxy.example:3128", None, None),
        ("localhost:3128", "http://localhost:3128", None, None),
        ("http://proxy.example/", "http://proxy.example:80", None, None),
        ("HTTP://PROXY.example", "http://proxy.example:80", None, None),
        ("https://proxy.example", "https://proxy.example:443", None, None),
        ("socks4://p", "socks4://p:1080", None, None),
        ("socks4a://me@p:1", "socks4a://p:1", "me", None),
        ("socks5://p", "socks5://p:1080", None, None),
        ("socks5h://me:too@p", "socks5h://p:1080", "me", "too"),
        ("me:too@p:8080", "http://p:8080", "me", "too"),
        ("http://m%40e:t%2Foo%3A@p", "http://p:80", "m@e", "t/oo:"),
        ("http://m%C3%BC@p", "http://p:80", "mü", None),
        ("http://@p", "http://p:80", None, None),
        ("http://[::1]:3128", "http://[::1]:3128", None, None),
        ("http://192.0.2.1", "http://192.0.2.1:80", None, None),
    ],
)
def test_a_proxy_is_read(text: str, shown: str, username: str | None, password: str | None) -> None:
    proxy = Proxy.parse(text)
    assert str(proxy) == shown
    assert (proxy.username, proxy.password) == (username, password)
    assert Proxy.parse(proxy) is proxy
    assert Proxy.parse(shown) == Proxy(proxy.scheme, proxy.host, proxy.port)


@pytest.mark.parametrize(
    "text",
    [
        "", "http://", "ftp://p", "quic://p:1", "http://p:0", "http://p:65536", "http://p:x",
        "http://p/path", "http://p?q", "http://p/#f", "http://0x7f.1", "socks5://p%20q",
        "socks5://p;q", "http://a b", "http://p\r\nx: y", f"http://a%00b:{SECRET}@p",
        f"http://a%3Ab:{SECRET}@p", f"socks4://me:{SECRET}@p", f"http://me:{SECRET}@x@p",
        f"http://me:{SECRET}%0D%0A@p", f"http://me:{SECRET}%FF@p",
    ],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Proxy.parse(text)
    assert SECRET not in str(caught.value)


def test_only_text_and_urls_are_proxies() -> None:
    with pytest.raises(TypeError):
        Proxy.parse(8080)  # type: ignore[arg-type]  # what is tested


@pytest.mark.rfc("9110", "11.7.2")
def test_credentials_are_worked_out_and_never_shown() -> None:
    proxy = Proxy.parse(f"http://me:{SECRET}@p")
    assert proxy.authorization == "Basic bWU6czNjcmV0"
    assert SECRET not in f"{proxy} {proxy!r} {Proxies.of(proxy)!r}"
    assert Proxy.parse("http://me@p").authorization == "Basic bWU6"
    assert Proxy.parse("http://p").authorization is None
    assert Proxy.parse(f"socks5://me:{SECRET}@p").authorization is None


def test_proxies_are_equal_with_their_credentials_or_not_at_all() -> None:
    one, same = Proxy.parse("http://a:b@p"), Proxy("http", "p", 80, "a", "b")
    assert one == same
    assert hash(one) == hash(same)
    assert pickle.loads(pickle.dumps(one)) == one
    others = ["http://p", "http://a@p", "http://a:c@p", "https://a:b@p:80", "http://a:b@q"]
    assert all(Proxy.parse(other) != one for other in others)
    assert one != "http://a:b@p"


def test_what_knows_names() -> None:
    knows = {text: Proxy(text, "p", 1).resolves_names for text in ("socks4", "socks5")}
    assert not any(knows.values())
    assert all(
        Proxy(text, "p", 1).resolves_names for text in ("http", "https", "socks4a", "socks5h")
    )


# --- what users write ----------------------------------------------------------------------------


def test_one_proxy_is_for_everything_even_this_machine() -> None:
    for given_ in ("p:1", URL("http://p:1"), Proxy("http", "p", 1)):
        proxies = Proxies.of(given_)
        for url in ("http://a.example", "https://a.example", "http://localhost", "http://[::1]"):
            assert chosen(proxies, url) == "http://p:1"
    assert Proxies.of(None) is None


TABLE = Proxies.of(
    {
        "http": "all-http",
        "https://": "all-https",
        "https://one.example": "one",
        "https://one.example:8443": "one-8443",
        "all://two.example": None,
        "http://two.example:81": "two-81",
        "https://[::1]:1": "six",
        "https://Dot.Example.": "dot",
    }
)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://a.example", "all-http"),
        ("https://a.example", "all-https"),
        ("https://one.example/x?y", "one"),
        ("https://ONE.example.", "one"),
        ("https://one.example:443", "one"),
        ("https://one.example:8443", "one-8443"),
        ("https://sub.one.example", "all-https"),
        ("http://one.example", "all-http"),
        ("http://two.example", None),
        ("https://two.example", None),
        ("http://two.example:81", "two-81"),
        ("https://[::1]:1", "six"),
        ("https://[::1]", "all-https"),
        ("https://dot.example", "dot"),
    ],
)
def test_the_closest_entry_of_a_table_counts(url: str, proxy: str | None) -> None:
    port = 80
    assert chosen(TABLE, url) == (None if proxy is None else f"http://{proxy}:{port}")


def test_what_no_table_names_goes_straight() -> None:
    assert chosen(Proxies.of({"https": "p"}), "http://a.example") is None
    assert chosen(Proxies.of({"all": "p", "http": None}), "http://a.example") is None
    assert chosen(Proxies.of({}), "http://a.example") is None


@pytest.mark.parametrize("key", ["ftp", "", "ws://a", "http://*.a", "http://a/b", "http://u@a"])
def test_a_key_that_means_nothing_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="for"):
        Proxies.of({key: "p"})


# --- what the environment says -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "plain", "secure"),
    [
        ({}, None, None),
        ({"no_proxy": "*"}, None, None),
        ({"http_proxy": "p"}, "p", None),
        ({"HTTP_PROXY": "p"}, "p", None),
        ({"HTTPS_PROXY": "p"}, None, "p"),
        ({"all_proxy": "p"}, "p", "p"),
        ({"ALL_PROXY": "p", "https_proxy": "q"}, "p", "q"),
        ({"http_proxy": "low", "HTTP_PROXY": "up"}, "low", None),
        ({"http_proxy": "", "HTTP_PROXY": "up"}, None, None),
        ({"http_proxy": "", "ALL_PROXY": "all"}, "all", "all"),
        ({"HTTP_PROXY": "up", "REQUEST_METHOD": "GET"}, None, None),
        ({"HTTP_PROXY": "up", "GATEWAY_INTERFACE": "CGI/1.1"}, None, None),
        ({"HTTP_PROXY": "up", "http_proxy": "low", "REQUEST_METHOD": "GET"}, "low", None),
        ({"HTTP_PROXY": "up", "ALL_PROXY": "all", "REQUEST_METHOD": "GET"}, "all", "all"),
        ({"HTTPS_PROXY": "up", "REQUEST_METHOD": "GET"}, None, "up"),
        ({"http_proxy": "p", "no_proxy": "b", "NO_PROXY": "a.example"}, "p", None),
        ({"http_proxy": "p", "no_proxy": "", "NO_PROXY": "*"}, "p", None),
        ({"http_proxy": "p", "NO_PROXY": "*"}, None, None),
    ],
)
def test_variables(environ: dict[str, str], plain: str | None, secure: str | None) -> None:
    proxies = environment_proxies(environ)
    for url, name in (("http://a.example", plain), ("https://a.example", secure)):
        assert chosen(proxies, url) == (None if name is None else f"http://{name}:80")


class WindowsVariables(dict[str, str]):
    """Variables without a case, as os.environ has them there: listed in upper case."""

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]  # as os
        return super().get(name.upper(), default)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).upper())


def test_a_client_of_a_cgi_server_names_no_proxy_on_windows_either() -> None:
    variables = WindowsVariables(HTTP_PROXY="evil", REQUEST_METHOD="GET")
    assert environment_proxies(variables) is None
    assert chosen(environment_proxies(WindowsVariables(HTTP_PROXY="p")), "http://a") is not None


@pytest.mark.parametrize(
    "url", ["http://localhost", "http://localhost.", "https://a.localhost:8443", "http://127.0.0.1",
            "http://127.255.0.9:8080", "http://[::1]", "http://[0:0:0:0:0:0:0:1]:80",
            "http://[::ffff:127.0.0.1]", "http://[::1%25lo]"],
)  # fmt: skip
def test_this_machine_is_never_behind_the_environments_proxy(url: str) -> None:
    assert chosen(environment_proxies({"ALL_PROXY": "p"}), url) is None


@pytest.mark.parametrize(
    "url", ["http://localhost.example", "http://notlocalhost", "http://128.0.0.1", "http://[::2]",
            "http://127.example", "http://127.0.0.1.example"],
)  # fmt: skip
def test_what_only_looks_like_this_machine_is(url: str) -> None:
    assert chosen(environment_proxies({"ALL_PROXY": "p"}), url) is not None


def test_a_variable_that_names_no_proxy_is_a_clear_error_when_it_is_needed() -> None:
    proxies = environment_proxies({"https_proxy": f"foo://me:{SECRET}@p", "http_proxy": "p"})
    assert chosen(proxies, "http://a.example") == "http://p:80"
    for _ in range(2):
        with pytest.raises(BadUrl, match="https_proxy") as caught:
            chosen(proxies, "https://a.example")
        assert SECRET not in str(caught.value)
    assert SECRET not in repr(proxies)


def test_many_origins_are_not_remembered_for_ever() -> None:
    proxies = Proxies.of("p")
    assert proxies is not None
    for number in range(2000):
        proxies.for_url(URL(f"http://h{number}.example"))
    assert len(proxies._known) <= 512


def test_a_clients_start_costs_nothing_to_speak_of() -> None:
    environ = {"http_proxy": "p", "https_proxy": "p", "no_proxy": "a.example," * 500}
    began = time.perf_counter()
    for _ in range(100):
        environment_proxies(environ)
    assert (time.perf_counter() - began) / 100 < 100e-6


# --- no_proxy ------------------------------------------------------------------------------------

NAMES = "example.com, .dotted.example *.below.example\tport.example:8080 , :80,,ends.example."
NUMBERS = "192.0.2.1,198.51.100.0/24,10.1.2.3/8,[2001:db8::1]:443,2001:db8:5::/48,fe80::5%eth0"


@pytest.mark.parametrize(
    ("entries", "url", "is_straight"),
    [
        # names: a name and what is below it, never a part of a label
        (NAMES, "http://example.com", True),
        (NAMES, "http://EXAMPLE.com.:99", True),
        (NAMES, "http://sub.example.com", True),
        (NAMES, "http://a.b.example.com", True),
        (NAMES, "http://badexample.com", False),
        (NAMES, "http://example.com.evil.example", False),
        (NAMES, "http://com", False),
        (NAMES, "http://dotted.example", True),
        (NAMES, "http://sub.dotted.example", True),
        (NAMES, "http://undotted.example", False),
        (NAMES, "http://below.example", False),
        (NAMES, "http://x.below.example", True),
        (NAMES, "http://port.example:8080", True),
        (NAMES, "http://sub.port.example:8080", True),
        (NAMES, "http://port.example", False),
        (NAMES, "https://ends.example", True),
        ("http.example:443", "https://http.example", True),
        ("a.example", "http://b.example", False),
        ("bücher.example", "http://xn--bcher-kva.example", True),
        ("b\u00fc/x,b\u00fc?x.example", "http://x.example", False),
        # addresses and networks: as numbers, and with addresses only
        (NUMBERS, "http://192.0.2.1", True),
        (NUMBERS, "http://192.0.2.1:8080", True),
        (NUMBERS, "http://192.0.2.10", False),
        (NUMBERS, "http://[::ffff:192.0.2.1]", True),
        (NUMBERS, "http://198.51.100.77", True),
        (NUMBERS, "http://198.51.101.1", False),
        (NUMBERS, "http://10.255.0.1", True),
        (NUMBERS, "http://[::ffff:10.9.9.9]", True),
        (NUMBERS, "https://[2001:db8::1]", True),
        (NUMBERS, "https://[2001:0db8:0:0:0:0:0:1]", True),
        (NUMBERS, "http://[2001:db8::1]", False),
        (NUMBERS, "http://[2001:db8:5:1::9]", True),
        (NUMBERS, "http://[2001:db8:6::9]", False),
        (NUMBERS, "http://[fe80::5%25eth0]", True),
        (NUMBERS, "http://[fe80::5%25eth1]", False),
        ("fe80::5", "http://[fe80::5%25eth1]", True),
        ("[::2]", "http://[::2]", True),
        ("::2", "http://[::2]:8080", True),
        ("::ffff:192.0.2.0/120", "http://192.0.2.9", True),
        ("0.0.0.0/0", "http://8.8.8.8", True),
        ("0.0.0.0/0", "http://a.example", False),
        ("2.1", "http://192.0.2.1", False),
        ("127.1,0x7f.1", "http://7.0.0.1", False),
        ("eth0", "http://[fe80::5%25eth0]", False),
        ("*.example.com", "http://[::2%25.example.com]", False),
        # everything
        ("*", "https://a.example", True),
        ("a.example, *", "http://[::5]", True),
        ("*.*", "http://a.example", False),
        ("**", "http://a.example", False),
        # what is nothing is passed over
        (", ,:,[],[:1,/8,1.2.3.4/33,a/b,b.example:99999,\x00", "http://b.example", False),
        ("", "http://a.example", False),
    ],
)
def test_no_proxy(entries: str, url: str, is_straight: bool) -> None:
    proxies = environment_proxies({"ALL_PROXY": "p", "NO_PROXY": entries})
    assert (chosen(proxies, url) is None) is is_straight


def test_a_list_that_is_too_long_is_refused_when_it_is_read() -> None:
    proxies = environment_proxies({"ALL_PROXY": "p", "NO_PROXY": "a," * (MAX_ENTRIES + 1)})
    for _ in range(2):
        with pytest.raises(BadUrl, match="no_proxy"):
            chosen(proxies, "http://a.example")


def test_a_long_list_is_walked_once_and_asked_in_no_time() -> None:
    exempt = Exemptions(",".join(f"h{number}.example" for number in range(MAX_ENTRIES)))
    host = ".".join(["a"] * 120)
    exempt.cover(host, 80)
    began = time.process_time()
    for _ in range(100):
        assert not exempt.cover(host, 80)
    assert time.process_time() - began < 0.5


LABELS = st.from_regex("[a-z]{1,3}", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4)


@given(st.lists(HOSTS, max_size=4), HOSTS)
def test_names_are_compared_label_by_label(entries: list[list[str]], host: list[str]) -> None:
    exempt = Exemptions(",".join(".".join(entry) for entry in entries))
    expected = any(host[-len(entry) :] == entry for entry in entries) or host[-1] == "localhost"
    assert exempt.cover(".".join(host), 80) is expected


@given(st.text(max_size=40), st.sampled_from(["a.example", "1.2.3.4", "::5", "fe80::1%x"]))
def test_any_text_at_all_is_a_list(text: str, host: str) -> None:
    assert Exemptions(text).cover(host, 80) in (True, False)
