"""The options of `crlf serve`, made from the table of what a server can be told."""

from __future__ import annotations

from crlf.cli.arguments import HELP, Option
from crlf.server.kinds import FLAG, shown
from crlf.server.settable import LIMITS, SETTINGS, TIMES, Setting

CONFIGURATION = "Configuration"
UNSHOWN = ""  # the group of options that help does not list: of each switch, the other way

ON, NOT_ON = "yes", "no"


def _options_of(setting: Setting) -> list[Option]:
    letter = [f"-{setting.letter}"] if setting.letter else []
    names = " ".join([*letter, f"--{setting.name}"])
    if setting.kind is not FLAG:
        meaning = setting.meaning + _default(setting)
        groups = {names: setting.group, **{f"--{alias}": UNSHOWN for alias in setting.aliases}}
        return [
            Option(each, setting.metavar, meaning, group, key=setting.name)
            for each, group in groups.items()
        ]
    is_on = setting.initial is True
    against = f"--no-{setting.name}"
    meaning = f"do not {setting.meaning}" if is_on else setting.meaning
    return [
        Option(names, "", setting.meaning, UNSHOWN if is_on else setting.group,
               key=setting.name, constant=ON),
        Option(against, "", meaning, setting.group if is_on else UNSHOWN,
               key=setting.name, constant=NOT_ON),
    ]  # fmt: skip


def _default(setting: Setting) -> str:
    value = setting.initial
    if value in (None, "", (), "-"):
        return ""
    text = shown(setting.kind, value).strip('[]"').replace('"', "")
    return f" ({text})" if setting.group in (LIMITS, TIMES) else f" (default: {text})"


SERVE_OPTIONS: tuple[Option, ...] = (
    *(option for one in SETTINGS if one.name != "target" for option in _options_of(one)),
    Option("-c --config", "FILE", "read settings from it (default: crlf.toml, or [tool.crlf] in "
           "pyproject.toml); off reads none", CONFIGURATION),
    Option("--print-config", "", "show every setting and where its value is from, and stop",
           CONFIGURATION),
    Option("--check-config", "", "try everything that can be tried without serving, and stop",
           CONFIGURATION),
    HELP,
)  # fmt: skip
