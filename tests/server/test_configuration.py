"""What a server is told, from everywhere: who is stronger, what is understood, what is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crlf.cli.serving.configured import configuration_text
from crlf.cli.terminal import Style
from crlf.rules.deadlines import LONGEST, Patience
from crlf.server.configuration import Configuration, configure
from crlf.server.envfile import parse_env
from crlf.server.kinds import NO_LIMIT, SECRET, BadValue, shown
from crlf.server.settable import BY_NAME, SETTINGS
from crlf.server.settings import DEFAULT_SETTINGS, FolderSettings, ServerSettings
from crlf.values import as_dict
from crlf.wire.limits import Limits


def told(
    folder: Path | str = "",
    file: str | None = None,
    variables: Mapping[str, str] | None = None,
    name: str = "crlf.toml",
    config: str | None = None,
    **options: Any,
) -> Configuration:
    """Configure a server. options: `limit_body="1M"` is --limit-body 1M."""
    if file is not None:
        (Path(folder) / name).write_text(file, encoding="utf-8")
    said = {
        key.replace("_", "-"): [value] if isinstance(value, str) else value
        for key, value in options.items()
    }
    return configure(said, variables or {}, str(folder), config=config)


def source(configuration: Configuration, name: str) -> str:
    return next(one.source for one in configuration.chosen if one.setting.name == name)


# --- the table -----------------------------------------------------------------------------------


def test_each_field_of_the_settings_can_be_told() -> None:
    places = {setting.place for setting in SETTINGS if setting.place} | {"access_log"}
    parts = {"folder": FolderSettings, "limits": Limits, "patience": Patience}
    fields = {name for name in ServerSettings.__annotations__ if name not in parts}
    fields |= {f"{part}.{name}" for part, cls in parts.items() for name in cls.__annotations__}
    # These bound what a client is sent: the server decodes nothing and has no interim responses.
    fields -= {"limits.interim", "limits.ratio", "limits.codings"}
    assert places == fields
    assert len(BY_NAME) == len(SETTINGS)


def test_nothing_said_is_the_settings_as_they_stand() -> None:
    configuration = told(config="off")
    assert configuration.faults == ()
    assert as_dict(configuration.settings) == {**as_dict(DEFAULT_SETTINGS), "access_log": "auto"}
    assert configuration.target == "."
    assert {one.source for one in configuration.chosen} == {"default"}


# --- who is stronger -----------------------------------------------------------------------------

SOURCES = [
    ("file", "crlf.toml", 1),
    ("others", "WEB_CONCURRENCY", 2),
    ("env-file", "CRLF_WORKERS", 3),
    ("environment", "CRLF_WORKERS", 4),
    ("options", "--workers", 5),
]


@pytest.mark.parametrize("most", range(len(SOURCES)))
def test_the_stronger_source_counts(most: int, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CRLF_WORKERS=3\n", encoding="utf-8")
    there = {name for name, _, _ in SOURCES[: most + 1]}
    configuration = told(
        tmp_path,
        "workers = 1" if "file" in there else None,
        {
            **({"WEB_CONCURRENCY": "2"} if "others" in there else {}),
            **({"CRLF_WORKERS": "4"} if "environment" in there else {}),
        },
        **({"env_file": ".env"} if "env-file" in there else {}),
        **({"workers": "5"} if "options" in there else {}),
    )
    assert configuration.faults == ()
    assert configuration.settings.workers == SOURCES[most][2]
    assert source(configuration, "workers") == SOURCES[most][1]


def test_a_weaker_source_that_is_wrong_is_told_all_the_same(tmp_path: Path) -> None:
    configuration = told(tmp_path, "workers = 'many'", {"CRLF_WORKERS": "x"}, workers="2")
    assert configuration.faults == (
        "crlf.toml: workers takes a number from 0 to 1024, not 'many'",
        "CRLF_WORKERS takes a number from 0 to 1024, not 'x'",
    )


def test_an_empty_variable_says_nothing() -> None:
    assert told(variables={"PORT": "", "CRLF_WORKERS": ""}).faults == ()


@pytest.mark.parametrize(
    ("options", "variables", "bind", "whose"),
    [
        ({}, {}, "127.0.0.1:8000", "default"),
        ({"port": "80"}, {}, "127.0.0.1:80", "--port"),
        ({"host": "::"}, {}, "[::]:8000", "--host"),
        ({"host": "[::1]", "port": "0"}, {}, "[::1]:0", "--host"),
        ({}, {"PORT": "5000"}, "127.0.0.1:5000", "PORT"),
        ({}, {"PORT": "5000", "CRLF_HOST": "0.0.0.0"}, "0.0.0.0:5000", "CRLF_HOST"),
        ({}, {"PORT": "5000", "CRLF_PORT": "6000"}, "127.0.0.1:6000", "CRLF_PORT"),
        ({}, {"PORT": "5000", "CRLF_BIND": ":7000"}, ":7000", "CRLF_BIND"),
        ({"port": "1"}, {"CRLF_BIND": "0.0.0.0:7000"}, "0.0.0.0:1", "--port"),
        ({"port": "1"}, {"CRLF_BIND": "unix:a"}, "127.0.0.1:1", "--port"),
        ({"host": "::1"}, {"CRLF_BIND": "0.0.0.0:7000"}, "[::1]:7000", "--host"),
        ({"bind": ["unix:a"]}, {"PORT": "5000"}, "unix:a", "--bind"),
    ],
)
def test_where_it_listens(
    options: dict[str, Any], variables: dict[str, str], bind: str, whose: str
) -> None:
    configuration = told(variables=variables, **options)
    assert configuration.faults == ()
    assert configuration.settings.bind == (bind,)
    assert source(configuration, "bind") == whose


def test_two_ways_to_say_where_are_one_too_many() -> None:
    assert told(port="80", bind=["a:1"]).faults == ("--bind says it all; leave --port out",)


def test_a_key_stands_beside_its_certificate(tmp_path: Path) -> None:
    both = told(tls_certificate=["a.pem"], tls_key="b.pem")
    assert both.settings.certificates == ("a.pem:b.pem",)
    (fault,) = told(tls_certificate=["a.pem", "c.pem"], tls_key="b.pem").faults
    assert fault == "--tls-key is for one --tls-certificate; others are CHAIN:KEY"
    assert told(tls_key="b.pem").faults
    file = "tls-certificate = ['chain.pem:key.pem', '/all.pem']"
    told(tmp_path, file)
    found = configure({}, {}, "", config=str(tmp_path / "crlf.toml"))
    assert found.settings.certificates == (
        f"{tmp_path}/chain.pem:{tmp_path}/key.pem",
        "/all.pem",
    )


# --- files ---------------------------------------------------------------------------------------


def test_tables_are_parts_of_names(tmp_path: Path) -> None:
    file = "limit.body = '1M'\n[timeout]\nidle = 3\nbody_grace = 0.5\n"
    settings = told(tmp_path, file).settings
    assert (settings.limits.body, settings.patience.idle) == (2**20, 3.0)
    assert settings.patience.body_grace == 0.5


def test_the_project_file_has_a_table_of_ours(tmp_path: Path) -> None:
    name = "pyproject.toml"
    found = told(tmp_path, "[project]\nname='x'\n[tool.crlf]\nworkers = 3\n", name=name)
    assert (found.settings.workers, source(found, "workers")) == (3, name)
    own = told(tmp_path, "threads = 5")
    assert (own.settings.workers, own.settings.threads) == (0, 5)
    named = told(tmp_path, config=name)
    assert (named.settings.workers, named.settings.threads) == (3, 32)
    assert told(tmp_path, config="off").settings.threads == 32
    assert told(tmp_path, variables={"CRLF_CONFIG": "off"}).settings.threads == 32


def test_a_project_of_others_says_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, "[tool.black]\nline-length = 3", name="pyproject.toml").faults == ()
    assert told(tmp_path, config="pyproject.toml").faults == (
        "pyproject.toml has no table [tool.crlf]",
    )


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("trusted-proxy = ['::1']",
         "crlf.toml has an unknown key trusted-proxy; did you mean trusted-proxies?"),
        ("xyzzy = 1", "crlf.toml has an unknown key xyzzy"),
        ("workers = 1.5", "crlf.toml: workers takes a number from 0 to 1024, not 1.5"),
        ("workers = true", "crlf.toml: workers takes a number from 0 to 1024, not true"),
        ("workers = -1", "crlf.toml: workers takes a number from 0 to 1024, not '-1'"),
        ("bind = 8000", "crlf.toml: bind takes a list of texts, not 8000"),
        ("bind = [8000]", "crlf.toml: bind takes texts, not 8000"),
        ("bind = ['::1:80']", "crlf.toml: '::1:80': write an IPv6 address in brackets, [::1]:80"),
        ("bind = []", "crlf.toml names nowhere to listen"),
        ("health = 'perhaps'", "crlf.toml: health takes yes or no, not 'perhaps'"),
        ("limit-body = 0",
         "crlf.toml: limit-body takes a size as in 64K or 16M, or \"off\", not '0'"),
        ("timeout-idle = 0",
         "crlf.toml: timeout-idle takes seconds as in 10, 0.5 or 2m, or \"off\", not '0'"),
        ("timeout-idle = nan",
         "crlf.toml: timeout-idle takes seconds as in 10, 0.5 or 2m, or \"off\", not 'nan'"),
        ('name = "a\\nb"', "crlf.toml: name has control characters in it"),
        ("access-log = 'loud'",
         "crlf.toml: access-log takes auto, off, short, combined or json, not 'loud'"),
        ("trusted-proxies = ['1.2.3.4/99']", None),
        ("allowed-hosts = ['a b']", None),
        ("proxy-fields = ['x-real-ip']", None),
        ("root-path = 'shop'",
         "crlf.toml: a root path begins with a slash and ends without one, not 'shop'"),
        ("a = ", None),
        ("tls-certificate = ['a']\ntls-self-signed = true",
         "crlf.toml and tls-self-signed: one is enough"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_one_line(file: str, fault: str | None, tmp_path: Path) -> None:
    (found,) = told(tmp_path, file).faults
    assert "\n" not in found
    assert found.startswith("crlf.toml")
    if fault is not None:
        assert found == fault


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, config="none.toml").faults == (
        "none.toml cannot be read: No such file or directory",
    )
    (tmp_path / "crlf.toml").write_bytes(b"\xff")
    assert told(tmp_path).faults == ("crlf.toml is no UTF-8, at byte 0",)
    (tmp_path / "crlf.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    assert told(tmp_path).faults == ("crlf.toml is longer than 1,048,576 bytes",)
    for text in (b"a=" + b"[" * 100_000, b"port=" + b"9" * 10_000):
        (tmp_path / "crlf.toml").write_bytes(text)
        (fault,) = told(tmp_path).faults
        assert fault.startswith("crlf.toml is no TOML: ")


def test_a_variable_that_nobody_reads_is_remarked() -> None:
    configuration = told(variables={"CRLF_WORKER": "3", "CRLF_DEBUG": "1", "OTHER": "x"})
    assert configuration.faults == ()
    assert configuration.remarks == (
        "nobody reads the variable CRLF_WORKER; did you mean CRLF_WORKERS?",
    )


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("limit-body", "off", None),
        ("limit-body", "16 MiB", 16 * 2**20),
        ("limit-body", "1k", 1024),
        ("limit-head", "off", NO_LIMIT),
        ("limit-head", "4096", 4096),
        ("timeout-idle", "OFF", LONGEST),
        ("timeout-idle", "2m", 120.0),
        ("timeout-idle", "500ms", 0.5),
        ("timeout-drain", "0", 0.0),
        ("health", "on", True),
        ("health", "0", False),
        ("trusted-proxies", "10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        ("cache", "/a/*=max-age=3, public; *=no-store", ("/a/*=max-age=3, public", "*=no-store")),
        ("name", "off", None),
        ("limit-requests", "off", NO_LIMIT),
    ],
)
def test_a_text_becomes_a_value(name: str, text: str, value: object) -> None:
    assert BY_NAME[name].kind.value_of(text) == value
    configuration = told(**{name.replace("-", "_"): text})
    assert configuration.faults == ()


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "+1", "1e3", "٣", "1_0", "0x10", "1K ", "1\u212a", "1" * 30]
)
def test_no_number_is_guessed(text: str) -> None:
    for name in (
        "limit-body",
        "limit-fields",
        "timeout-idle",
        "workers",
        "port",
        "limit-body-rate",
    ):
        with pytest.raises(BadValue):
            BY_NAME[name].kind.value_of(text)


@given(st.sampled_from(SETTINGS), st.text() | st.integers() | st.floats() | st.booleans()
       | st.lists(st.text()))  # fmt: skip
def test_a_value_is_understood_or_refused_and_comes_back_from_toml(
    setting: Any, given: object
) -> None:
    import tomllib

    try:
        value = setting.kind.value_of(given)
    except BadValue:
        return
    text = f"a = {shown(setting.kind, value)}"
    if setting.kind is SECRET and value is not None:
        assert text == 'a = "***"'
        return
    assert setting.kind.value_of(tomllib.loads(text)["a"]) == value


# --- what is printed -----------------------------------------------------------------------------


def test_what_is_printed_can_be_saved_and_is_the_same(tmp_path: Path) -> None:
    changed = told(
        tmp_path, variables={"CRLF_LIMIT_BODY": "off", "PORT": "81"}, workers="3",
        cache=["/a/*=max-age=3, public", "*=no-store"], index="off", timeout_idle="off",
        name='a "quoted" \\ name', trusted_proxies=["10.0.0.0/8"], listing="no",
    )  # fmt: skip
    text = configuration_text(changed.chosen, Style(False))
    again = told(tmp_path, text)
    assert again.faults == ()
    assert again.settings == changed.settings
    assert {one.source for one in again.chosen} == {"crlf.toml"}
    sources = {line.rpartition("#")[2].strip() for line in text.splitlines() if "=" in line}
    assert {"--workers", "CRLF_LIMIT_BODY", "PORT", "default"} <= sources


def test_what_is_printed_is_aligned() -> None:
    text = configuration_text(told(cache=["x" * 60 + "=y"]).chosen, Style(False))
    lines = [line for line in text.splitlines() if " = " in line and line.index("  # ") < 46]
    assert len(lines) > len(SETTINGS) - 8
    assert len({line.rindex("# ") for line in lines}) == 1


# --- files of variables --------------------------------------------------------------------------


def test_variables_are_read_as_they_stand() -> None:
    text = (
        '# a remark\nA=1\nexport B = two words \nC=\'a # b\'\nD="say \\"hi\\" \\\\ $A"\n'
        "E=\nF=x # rest\r\nG=a=b\n\n_1=ü\n"
    )
    assert parse_env(text, ".env") == (
        {
            "A": "1", "B": "two words", "C": "a # b", "D": 'say "hi" \\ $A', "E": "", "F": "x",
            "G": "a=b", "_1": "ü",
        },
        [],
    )  # fmt: skip


def test_a_line_that_is_no_variable_is_not_shown() -> None:
    entries, faults = parse_env("secret\nA='open\n1=x\nB=\x00\nC=1", ".env")
    assert entries == {"C": "1"}
    assert faults == [f".env, line {number} is no KEY=VALUE" for number in (1, 2, 3, 4)]


def test_an_env_file_adds_and_does_not_replace(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB=2\nCRLF_THREADS=7\n", encoding="utf-8")
    found = told(tmp_path, variables={"A": "0", "CRLF_ENV_FILE": ".env"})
    assert found.variables == {"B": "2", "CRLF_THREADS": "7"}
    assert found.settings.threads == 7
    assert told(tmp_path, env_file="none").faults == (
        f"{tmp_path}/none cannot be read: No such file or directory",
    )


# --- who may send files --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ({}, True), ({"bind": "[::1]:1,localhost:2,127.0.0.2:3"}, True), ({"port": "1"}, True),
        ({"bind": "0.0.0.0:1"}, False), ({"bind": ":1"}, False), ({"host": "10.0.0.1"}, False),
        ({"bind": "127.0.0.1:1,[::]:1"}, False), ({"bind": "unix:/x"}, False),
        ({"bind": "fd://3"}, False), ({"trusted_proxies": "127.0.0.1"}, False),
        ({"bind": "0.0.0.0:1", "upload_token": "secret"}, True),
        ({"bind": "0.0.0.0:1", "upload_user": "ann:secret"}, True),
    ],
)  # fmt: skip
def test_nobody_takes_files_from_everybody(said: dict[str, str], may: bool) -> None:
    faults = told(upload="yes", **said).faults
    assert (faults == ()) == may
    assert may or "open to everybody" in faults[0]
    assert told(**said).faults == ()


def test_a_secret_is_told_to_nobody() -> None:
    variables = {"CRLF_UPLOAD_TOKEN": "hush-hush"}
    configuration = told(variables=variables, upload="yes", upload_user="ann:hush-hush")
    assert configuration.settings.folder.upload_token == "hush-hush"
    assert "hush-hush" not in repr(configuration)
    printed = configuration_text(configuration.chosen, Style(has_colour=False))
    assert "hush-hush" not in printed
    assert "# upload-token is set, and not shown" in printed
    fault = told(variables={"CRLF_UPLOAD_TOKEN": "hush\nhush"}).faults[0]
    assert "hush" not in fault


def test_the_variable_that_chooses_the_loop_is_no_mistake() -> None:
    assert configure({}, {"CRLF_LOOP": "asyncio"}, "").remarks == ()
    assert "CRLF_LOPO" in configure({}, {"CRLF_LOPO": "asyncio"}, "").remarks[0]
