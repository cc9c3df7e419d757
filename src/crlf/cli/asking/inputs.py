"""What a command line only names: files to be read, and standard input.

A file is opened when its item is read, so that one that is not there is known before anything
is sent. Its law: standard input is read where somebody wrote -, once, and nowhere else.
"""

from __future__ import annotations

from typing import BinaryIO

from crlf.cli.asking.items import Item
from crlf.cli.environment import Environment
from crlf.cli.exits import NO_INPUT, Failure, reason_of


class Inputs:
    """The files of one command line. opened: those that are still needed when it is sent."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._reader: str | None = None  # who has standard input
        self.opened: list[BinaryIO] = []

    def keep(self, path: str) -> BinaryIO:
        """Open a file that stays open until the request is over. Raises Failure."""
        file = open_input(path, self._environment)
        self.opened.append(file)
        return file

    def stdin(self, item: Item) -> BinaryIO:
        """Return standard input for an item. Raises Failure when another one has it."""
        if self._reader is not None:
            raise Failure(
                f"{self._reader!r} and {item.text!r} both read standard input, which comes once"
            )
        self._reader = item.text
        return self._environment.stdin

    def value(self, item: Item) -> str:
        """Return an item's value, from its file where that is said. Raises Failure."""
        if not item.from_file:
            return item.value
        if item.value == "-":
            content = self.stdin(item).read()
        else:
            with open_input(item.value, self._environment) as file:
                content = file.read()
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise Failure(
                f"{item.value} is not text in UTF-8; name@file uploads anything", NO_INPUT
            ) from None

    def text(self, item: Item) -> tuple[str, str]:
        """Return an item's name and value. Raises Failure where one of them is no text."""
        pair = item.name, self.value(item)
        try:
            "".join(pair).encode()
        except UnicodeEncodeError:
            raise Failure(
                f"{item.text!r} is not UTF-8; name@file uploads anything, @file sends it"
            ) from None
        return pair


def open_input(path: str, environment: Environment) -> BinaryIO:
    """Open a file that is to be sent. Raises Failure."""
    try:
        return open(environment.path(path), "rb")
    except (OSError, ValueError) as fault:  # a path with a NUL in it is a ValueError
        why = reason_of(fault) if isinstance(fault, OSError) else "no path has a NUL in it"
        raise Failure(f"cannot read {path}: {why}", NO_INPUT) from None
