"""What a server is told, from everywhere that one may say it, each value with its source.

Options are stronger than the environment, that is stronger than a file, and a file than the
defaults; what other programs' users set (PORT, WEB_CONCURRENCY) is the weakest part of the
environment. Its law: nothing that was said is ignored in silence. What is not understood is a
fault with its place, even where something stronger was said.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from crlf.net.listening import Bind, parse_bind
from crlf.rules.forwarded import Trusted, forwarded_gate
from crlf.rules.hosts import Hosts
from crlf.server.envfile import read_env_file
from crlf.server.kinds import MAYBE_PATH, PATH, PATHS, BadValue
from crlf.server.settable import BY_NAME, SETTINGS, Setting
from crlf.server.settings import DEFAULT_SETTINGS, ServerSettings
from crlf.server.tomlfile import FileTold, read_file
from crlf.values import frozen, replace

DEFAULT, FROM_FILE, FROM_OTHERS, FROM_ENV_FILE, FROM_ENVIRONMENT, FROM_OPTIONS = range(6)
COMMAND_LINE = "command line"


@frozen
class Chosen:
    """The value of a setting, where it comes from, and how strong that is (DEFAULT, ...)."""

    setting: Setting
    value: object
    source: str = "default"
    rank: int = DEFAULT


@frozen
class Configuration:
    """What came of it all.

    target: a folder, a file or module:app. settings: the value for the server; its access_log
    may be "auto". chosen: what it was made of, in the table's order, for people. variables: what
    an env-file adds to the environment. faults: what is wrong, a line each; with any of them the
    rest is not to be used. remarks: what may be wrong.
    """

    target: str
    settings: ServerSettings
    chosen: tuple[Chosen, ...]
    quiet: bool
    variables: Mapping[str, str]
    faults: tuple[str, ...]
    remarks: tuple[str, ...]


def configure(
    options: Mapping[str, list[str]],
    environment: Mapping[str, str],
    folder: str = "",
    *,
    config: str | None = None,
    target: str | None = None,
) -> Configuration:
    """Gather what is said of a server. Raises nothing: what is wrong is in `faults`.

    options: texts by the names of settings. folder: what relative paths start from. config: a
    file of settings, or "off" for none; otherwise crlf.toml or pyproject.toml of the folder.
    """
    gathering = _Gathering(folder)
    given = dict(options)
    if target is not None:
        given["target"] = [target]
    gathering.take_file(read_file(config or environment.get("CRLF_CONFIG"), folder))
    gathering.take_environment(environment)
    for name, texts in given.items():
        setting = BY_NAME[name]
        value = setting.kind.separator.join(texts) if setting.kind.separator else texts[-1]
        source = COMMAND_LINE if name == "target" else f"--{name}"
        gathering.take(setting, value, source, FROM_OPTIONS)
    variables = gathering.take_env_file(environment)
    return gathering.finished(variables)


class _Gathering:
    """What has been said so far: of each setting the strongest value, and what was wrong."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.chosen = {setting.name: Chosen(setting, setting.initial) for setting in SETTINGS}
        self.faults: list[str] = []
        self.remarks: list[str] = []

    def take(
        self,
        setting: Setting,
        given: object,
        source: str,
        rank: int,
        key: str = "",
        folder: str | None = None,
    ) -> None:
        """Take one value; a weaker one is looked at as well, and then forgotten.

        key: which of its source, where that has more than one.
        """
        try:
            value = setting.kind.value_of(given)
        except BadValue as fault:
            self.faults.append(f"{source}: {key} {fault}" if key else f"{source} {fault}")
            return
        if rank >= self.chosen[setting.name].rank:
            value = _placed(setting, value, self.folder if folder is None else folder)
            self.chosen[setting.name] = Chosen(setting, value, source, rank)

    def take_file(self, told: FileTold) -> None:
        """Take the keys of a file."""
        self.faults.extend(told.faults)
        for key, value in told.values:
            name = key.lower().replace("_", "-")
            if name in BY_NAME:
                self.take(BY_NAME[name], value, told.name, FROM_FILE, key, told.folder)
            else:
                self.faults.append(f"{told.name} has an unknown key {key}{meant(name, BY_NAME)}")

    def take_environment(self, variables: Mapping[str, str], rank: int = FROM_ENVIRONMENT) -> None:
        """Take what is in the environment; a variable that is empty says nothing."""
        known = {setting.variable: setting for setting in SETTINGS}
        for setting in SETTINGS:
            for name in (*setting.variables, setting.variable):
                if variables.get(name):
                    own = rank if name == setting.variable else FROM_OTHERS
                    self.take(setting, variables[name], name, own)
        for name in variables:
            if name.startswith("CRLF_") and name not in known and name not in _OTHER_VARIABLES:
                self.remarks.append(f"nobody reads the variable {name}{meant(name, known)}")

    def take_env_file(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """Read the env-file, if one is named; return what it adds to the environment."""
        chosen = self.chosen["env-file"]
        if not isinstance(chosen.value, str):
            return {}
        entries, faults = read_env_file(chosen.value)
        self.faults.extend(faults)
        added = {name: text for name, text in entries.items() if name not in environment}
        self.take_environment(added, FROM_ENV_FILE)
        return added

    def value(self, name: str) -> object:
        """Return the value of a setting as it is now."""
        return self.chosen[name].value

    def finished(self, variables: Mapping[str, str]) -> Configuration:
        """Put the values together."""
        self._put_bind_together()
        self._put_certificate_together()
        self._try_values()
        settings = DEFAULT_SETTINGS
        try:
            settings = _build_settings(self.chosen.values())
            if fault := open_to_all(settings):
                self.faults.append(fault)
        except ValueError as fault:
            self.faults.append(str(fault))
        return Configuration(
            target=str(self.value("target")),
            settings=settings,
            chosen=tuple(one for name, one in self.chosen.items() if name not in _MADE_INTO),
            quiet=self.value("quiet") is True,
            variables=variables,
            faults=tuple(self.faults),
            remarks=tuple(self.remarks),
        )

    def _put_bind_together(self) -> None:
        """Let host and port say what bind says, where that is not said as strongly."""
        bind, host, port = (self.chosen[name] for name in ("bind", "host", "port"))
        stronger = max(host, port, key=lambda one: one.rank)
        if stronger.rank == bind.rank != DEFAULT:
            self.faults.append(f"{bind.source} says it all; leave {stronger.source} out")
        texts = bind.value if isinstance(bind.value, tuple) else ()
        try:
            places = [parse_bind(str(text)) for text in texts]
            if stronger.rank > bind.rank:
                place = places[0] if len(places) == 1 else Bind()
                if place.path is not None or place.descriptor is not None or place == Bind():
                    place = Bind("127.0.0.1", 8000)
                name = str(host.value).strip("[]") if host.rank > bind.rank else place.host
                number = port.value if port.rank > bind.rank else place.port
                texts = (str(Bind(name, int(str(number)))),)
                parse_bind(texts[0])
                bind = Chosen(bind.setting, texts, stronger.source, stronger.rank)
        except ValueError as fault:
            self.faults.append(f"{bind.source}: {fault}")
        if not texts:
            self.faults.append(f"{bind.source} names nowhere to listen")
        self.chosen["bind"] = bind

    def _put_certificate_together(self) -> None:
        """Put the key beside its certificate."""
        certificates, key = self.chosen["tls-certificate"], self.chosen["tls-key"]
        if key.value is None:
            return
        paths = certificates.value
        if not isinstance(paths, tuple) or len(paths) != 1 or ":" in paths[0]:
            self.faults.append(f"{key.source} is for one --tls-certificate; others are CHAIN:KEY")
            return
        self.chosen["tls-certificate"] = replace(certificates, value=(f"{paths[0]}:{key.value}",))

    def _try_values(self) -> None:
        """See values that are of their kind, and cannot be used all the same."""
        for name, use in _USES.items():
            chosen = self.chosen[name]
            if chosen.value not in (None, "", ()):
                try:
                    use(chosen.value)
                except ValueError as fault:
                    self.faults.append(f"{chosen.source}: {fault}")
        certificates = self.chosen["tls-certificate"]
        if certificates.value and self.value("tls-self-signed"):
            self.faults.append(f"{certificates.source} and tls-self-signed: one is enough")
        expected = self.chosen["proxy-protocol"]
        if expected.value and not self.value("trusted-proxies"):
            self.faults.append(f"{expected.source} needs trusted-proxies: who may say a PROXY line")


def _use_root_path(path: object) -> None:
    if not str(path).startswith("/") or str(path).endswith("/"):
        raise ValueError(f"a root path begins with a slash and ends without one, not {path!r}")


def _use_metrics(place: object) -> None:
    if not str(place).startswith("/"):
        parse_bind(str(place))


_USES: Mapping[str, Callable[[Any], object]] = {
    "root-path": _use_root_path,
    "metrics": _use_metrics,
    "trusted-proxies": Trusted,
    "proxy-fields": lambda fields: forwarded_gate(Trusted(()), fields),
    "allowed-hosts": Hosts,
}
_MADE_INTO = ("host", "port", "tls-key")
_OTHER_VARIABLES = (
    "CRLF_CLIENT_CONFIG", "CRLF_CONFIG", "CRLF_DEBUG", "CRLF_LOOP", "CRLF_PROFILE",
)  # fmt: skip


def _placed(setting: Setting, value: object, folder: str) -> object:
    """Let a relative path start from where it was said."""
    if setting.kind is PATHS and isinstance(value, tuple):
        return tuple(
            ":".join(_from(folder, half) for half in str(each).split(":")) for each in value
        )
    if setting.kind in (PATH, MAYBE_PATH) and isinstance(value, str) and value != "-":
        return _from(folder, value)
    return value


def _from(folder: str, path: str) -> str:
    return os.path.join(folder, os.path.expanduser(path)) if path else path


def _build_settings(chosen: Iterable[Chosen]) -> ServerSettings:
    """Make the value, and the values in it. Raises ValueError."""
    tops: dict[str, object] = {}
    parts: dict[str, dict[str, object]] = {}
    for one in chosen:
        top, dot, name = one.setting.place.partition(".")
        if dot:
            parts.setdefault(top, {})[name] = one.value
        elif top:
            tops[top] = one.value
    tops["access_log"] = next(one.value for one in chosen if one.setting.name == "access-log")
    for top, changes in parts.items():
        tops[top] = replace(getattr(DEFAULT_SETTINGS, top), **changes)
    return replace(DEFAULT_SETTINGS, **tops)


def open_to_all(settings: ServerSettings) -> str:
    """Say what is wrong when everybody could send files; "" when nothing is.

    Behind a proxy everybody is, wherever the server itself listens.
    """
    folder = settings.folder
    if not folder.upload or folder.upload_token is not None or folder.upload_user is not None:
        return ""
    places = [parse_bind(text) for text in settings.bind]
    is_alone = all(
        place.host == "localhost" or place.host == "::1" or place.host.startswith("127.")
        for place in places
    )
    if is_alone and not settings.trusted_proxies and not settings.proxy_protocol:
        return ""
    return (
        "upload would be open to everybody: upload-token (CRLF_UPLOAD_TOKEN) or upload-user "
        "says who may, and bind to 127.0.0.1 lets nobody else in"
    )


def meant(name: str, names: Iterable[str]) -> str:
    """Ask whether another name was meant, if one is like it."""
    found = get_close_matches(name, list(names), 1, 0.6)
    return f"; did you mean {found[0]}?" if found else ""
