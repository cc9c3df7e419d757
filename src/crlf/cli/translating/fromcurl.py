"""`crlf from-curl`: any everyday command line of curl's, said as one of crlf's.

What goes to standard output is for a shell: `eval "$(crlf from-curl '...')"` sends what curl
would send. What has no counterpart is said on standard error, one line each. Its law: where the
request would be another one, or less protected, the exit code says so.
"""

from __future__ import annotations

from crlf.cli.arguments import Arguments
from crlf.cli.commands import Command
from crlf.cli.environment import Environment
from crlf.cli.exits import OK, OTHER, Failure
from crlf.cli.translating.crlfline import CrlfLine
from crlf.cli.translating.curlrequest import Translation
from crlf.cli.translating.curlwords import parse_curl
from crlf.cli.translating.shellwords import MAX_LINE, Line, Spoken, split_commands
from crlf.patterns import pattern

# Written, but not what curl would send; 0 and 1 are as in diff and cmp.
DIFFERENT = OTHER
MAX_LINES = 1000  # of one run

_ASSIGNMENT = pattern("([A-Za-z_][A-Za-z_0-9]*)=(.*)", 16)  # DOTALL
_BEFORE = ("$", "%", ">", "sudo", "time", "command", "exec", "then", "do")
_QUOTES = "\u201c\u201d\u2018\u2019"  # what word processors make of " and '


def run(command: Command, arguments: Arguments, environment: Environment) -> int:
    """Write the command line; return 0, or 1 where the request would differ. Raises Failure."""
    line = _read(arguments.words, environment)
    remarks: dict[str, bool] = {}
    is_ascii = environment.encoding.lower().replace("_", "-") not in ("utf-8", "utf8")
    written: list[str] = []
    for words, feed, tail in line.commands:
        variables, curl = _curl_of(words)
        if curl is None:
            remarks[f"left out, as it is not curl: {words[0][:40]}"] = False
            continue
        found: list[CrlfLine] = []
        for given in parse_curl(curl):
            translation = Translation(given, environment, line.expansions, variables)
            found += translation.lines()
            for text, differs in translation.remarks.items():
                remarks[text] = differs or remarks.get(text, False)
        if len(found) == 1:
            found[0].feed, found[0].tail = feed, tail
        elif feed or tail:
            remarks[f"left out, as there are several requests: {feed}{tail}"] = bool(feed)
        written += [one.written(line.expansions, is_ascii=is_ascii) for one in found]
        if len(written) > MAX_LINES:
            raise Failure(f"more than {MAX_LINES:,} requests")
    if not written:
        raise Failure("that is no command line of curl's: it begins with curl, and has a URL")
    environment.show("".join([f"{text}\n" for text in written]))
    for text, differs in remarks.items():
        environment.complain(_shown(text, line) + ("; the request differs" if differs else ""))
    return DIFFERENT if any(remarks.values()) else OK


def _read(words: list[str], environment: Environment) -> Line:
    """Read what is to be said: one word as a shell would, several as they are. Raises Failure."""
    words = words[1:] if words[:1] == ["--"] else words
    if words == ["-"]:
        content = environment.stdin.read(4 * MAX_LINE + 1)
        return _split(content.decode("utf-8", "surrogateescape"))
    if len(words) == 1:
        return _split(words[0])
    return Line([Spoken(words)], {})


def _split(text: str) -> Line:
    line = split_commands(text)
    for spoken in line.commands:
        for word in spoken.words:
            if word[:1] in _QUOTES and word:
                raise Failure(
                    f"{word[0]} is no quote for a shell: write \" or ' where somebody's word "
                    "processor has changed them"
                )
    return line


def _curl_of(words: list[str]) -> tuple[list[tuple[str, str]], list[str] | None]:
    """Find curl's own words, and the variables that are set before it; None when there are none."""
    variables: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        word = words[at]
        if set_first := _ASSIGNMENT.fullmatch(word):
            variables.append((set_first[1], set_first[2]))
        elif word not in _BEFORE:
            break
        at += 1
    if at == len(words):
        return variables, None
    name = words[at].replace("\\", "/").rpartition("/")[2].lower()
    if name in ("curl", "curl.exe"):
        return variables, words[at + 1 :]
    # Without its name: it begins with an option, or is a URL.
    is_ours = words[at].startswith("-") or "://" in words[at]
    return variables, words[at:] if is_ours else None


def _shown(text: str, line: Line) -> str:
    """Write expansions in a remark as they were."""
    return "".join([line.expansions.get(sign, sign) for sign in text])
