"""A command line taken apart by the table of commands.

Options may stand anywhere; `--` ends them; `-o FILE`, `-oFILE`, `--output FILE`,
`--output=FILE` and `-vo FILE` mean the same. Names are not abbreviated, so that an option that
is added later changes no script. (argparse takes 7 ms to load, a third of a short command.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crlf.cli.exits import Failure


class Option:
    """One option.

    names: all spellings, the long one last. metavar: what its value is called; "" for a switch.
    group: its heading in help; "" for one that is not listed. key: what it is called in
    Arguments. constant: the value that a switch stands for.
    """

    __slots__ = ("constant", "group", "key", "meaning", "metavar", "names")

    def __init__(
        self,
        names: str,
        metavar: str,
        meaning: str,
        group: str,
        *,
        key: str = "",
        constant: str = "yes",
    ) -> None:
        self.names = tuple(names.split(" "))
        self.metavar = metavar
        self.meaning = meaning
        self.group = group
        self.key = key or self.names[-1].removeprefix("--")
        self.constant = constant

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that it takes, where its metavar lists them; () where any may be right."""
        metavar = self.metavar
        return tuple(metavar.split("|")) if "|" in metavar and metavar == metavar.lower() else ()


HELP = Option("-h --help", "", "show this and stop", "Other")


class Arguments:
    """What was said: the words that are no options, and the values of each option in order."""

    __slots__ = ("_given", "words")

    def __init__(self, words: list[str], given: dict[str, list[str]]) -> None:
        self.words = words
        self._given = given

    def with_words(self, words: list[str]) -> Arguments:
        """Give the same options with other words."""
        return Arguments(words, self._given)

    def with_options(self, given: dict[str, list[str]]) -> Arguments:
        """Give the same words with these options and no others."""
        return Arguments(self.words, given)

    def has(self, key: str) -> bool:
        """Whether an option was given at all."""
        return key in self._given

    def last(self, key: str) -> str | None:
        """Return an option's value, the last of several; None when it was not given."""
        values = self._given.get(key)
        return values[-1] if values else None

    def every(self, key: str) -> list[str]:
        """Return all values of an option that may be repeated."""
        return self._given.get(key, [])


class UnknownOption(Failure):
    """An option that the command does not have. name: as it was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no option {name}")
        self.name = name


class UnknownValue(Failure):
    """A value that an option does not take. value: as it was written. choices: what it takes."""

    def __init__(self, name: str, value: str, choices: tuple[str, ...]) -> None:
        listed = f"{', '.join(choices[:-1])} or {choices[-1]}"
        super().__init__(f"{name} takes {listed}, not {value!r}")
        self.value = value
        self.choices = choices


def parse_arguments(argv: Sequence[str], options: Iterable[Option]) -> Arguments:
    """Take a command line apart, without its command.

    Raises Failure, UnknownOption, UnknownValue.
    """
    table = {name: option for option in options for name in option.names}
    words: list[str] = []
    given: dict[str, list[str]] = {}
    rest = iter(argv)
    for word in rest:
        if word == "--":
            words.extend(rest)
        elif word.startswith("--"):
            name, sign, value = word.partition("=")
            option = _known(table, name)
            if option.metavar:
                value = _checked(value if sign else _next(rest, name, option), name, option)
            elif sign:
                raise Failure(f"{name} takes no value")
            given.setdefault(option.key, []).append(value if option.metavar else option.constant)
        elif word.startswith("-") and word != "-":
            _parse_cluster(word, table, given, rest)
        else:
            words.append(word)
    return Arguments(words, given)


def parse_raw(argv: Sequence[str]) -> Arguments:
    """Take a command line as words, options of another tool's and all; -h alone is ours."""
    is_asking = list(argv) in (["-h"], ["--help"])
    return Arguments([] if is_asking else list(argv), {"help": ["yes"]} if is_asking else {})


def _parse_cluster(
    word: str, table: dict[str, Option], given: dict[str, list[str]], rest: Iterator[str]
) -> None:
    """Read one-letter options after one hyphen; the first that takes a value takes what follows."""
    for at in range(1, len(word)):
        option = _known(table, f"-{word[at]}")
        values = given.setdefault(option.key, [])
        if option.metavar:
            value = word[at + 1 :].removeprefix("=")
            name = f"-{word[at]}"
            values.append(_checked(value or _next(rest, name, option), name, option))
            return
        values.append(option.constant)


def _known(table: dict[str, Option], name: str) -> Option:
    option = table.get(name)
    if option is None:
        raise UnknownOption(name)
    return option


def _next(rest: Iterator[str], name: str, option: Option) -> str:
    value = next(rest, None)
    if value is None:
        raise Failure(f"{name} needs {option.metavar} after it")
    return value


def _checked(value: str, name: str, option: Option) -> str:
    if option.choices and value not in option.choices:
        raise UnknownValue(name, value, option.choices)
    return value
