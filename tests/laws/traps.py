"""The traps of Python that a reader of hostile bytes must not step into, seen in syntax trees.

Each trap is a small function from a node to what is wrong with it. Regular expressions are
judged by Python's own parser of them, so a trap hidden in a joined string is seen too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from lawbook import Fault, Module

Trap = Callable[[ast.AST], str | None]

# Where wire text becomes a number, and why it may: (file, function) of a checked conversion.
NUMBERS: dict[tuple[str, str], str] = {
    ("message/grammar.py", "parse_digits"): "1*DIGIT matched first",
    ("message/grammar.py", "parse_hex"): "1*HEXDIG matched first",
    ("message/content.py", "_finite"): "a number of JSON, which json's reader matched first",
}

BANNED_MODULES = {
    "email": "lenient, quadratic, folds lines",
    "http": "http.cookies and http.client accept what HTTP does not",
    "cgi": "gone, and was lenient",
    "urllib": "strips tabs and newlines, no validator",
    "mimetypes": "guesses from hostile names",
    "random": "guessable: use secrets",
    "pickle": "runs what it reads",
    "marshal": "crashes on what it reads",
}
UNICODE_METHODS = frozenset(
    "isdigit isnumeric isdecimal isalnum isalpha isspace isidentifier"
    " title capitalize swapcase casefold".split(" ")
)
ROOT_NAMES = frozenset("root base folder directory parent prefix_path".split(" "))
RE_FUNCTIONS = frozenset(
    "compile match fullmatch search sub subn split findall finditer template".split(" ")
)
REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)  # a possessive repeat (x*+) gives nothing back
CATEGORIES = {
    sre.CATEGORY_DIGIT: r"\d",
    sre.CATEGORY_NOT_DIGIT: r"\D",
    sre.CATEGORY_SPACE: r"\s",
    sre.CATEGORY_NOT_SPACE: r"\S",
    sre.CATEGORY_WORD: r"\w",
    sre.CATEGORY_NOT_WORD: r"\W",
}
BOUNDARIES = {sre.AT_END: "$", sre.AT_BOUNDARY: r"\b", sre.AT_NON_BOUNDARY: r"\B"}


# --- single nodes --------------------------------------------------------------------------------


def lenient_number(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="int" | "float" as name), args=[ast.Constant(value=value)]):
            return f"{name}() of text" if isinstance(value, str | bytes) else None
        case ast.Call(func=ast.Name(id="int" | "float" as name), args=[_, *_]):
            return f"{name}() accepts signs, blanks, underscores, Unicode digits"
        case ast.Call(
            func=ast.Name(id="isinstance" | "issubclass" | "cast" | "NewType" | "TypeVar")
        ):
            return None
        case ast.Call(args=args, keywords=keywords):
            handed = [*args, *(keyword.value for keyword in keywords)]
            if any(isinstance(a, ast.Name) and a.id in ("int", "float") for a in handed):
                return "int handed on to be called on text"
    return None


def blank_strip(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Attribute(attr="strip" | "lstrip" | "rstrip" as name), args=args):
            if not args or is_none(args[0]):
                return f".{name}() strips more than SP and HTAB"
        case ast.Call(
            func=ast.Attribute(attr="split" | "rsplit" as name), args=args, keywords=named
        ):
            given = args[:1] or [keyword.value for keyword in named if keyword.arg == "sep"]
            module_split = isinstance(node.func, ast.Attribute) and is_re(node.func.value)
            if not module_split and (not given or is_none(given[0])):
                return f".{name}() splits at more than SP"
    return None


def unicode_method(node: ast.AST) -> str | None:
    match node:
        case ast.Attribute(attr=name) if name in UNICODE_METHODS:
            return f".{name} follows Unicode, not ASCII"
        case ast.Attribute(attr="splitlines"):
            return ".splitlines splits at VT, FF, NEL, LS, a bare CR"
    return None


def assertion(node: ast.AST) -> str | None:
    return "assert is gone under -O" if isinstance(node, ast.Assert) else None


def banned_import(node: ast.AST) -> str | None:
    match node:
        case ast.Import(names=names):
            modules = [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), level=0):
            modules = [module]
        case _:
            return None
    roots = [module.split(".")[0] for module in modules]
    return next(
        (f"{root}: {BANNED_MODULES[root]}" for root in roots if root in BANNED_MODULES), None
    )


def quadratic(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Attribute(attr="pop"), args=[ast.Constant(value=0)]):
            return ".pop(0) moves all that is left"
        case ast.Call(func=ast.Name(id="sum"), args=[_, ast.Constant(value=bytes() | str())]):
            return "sum() of bytes is quadratic: join"
    return None


def unsafe_path(node: ast.AST) -> str | None:
    match node:
        case ast.Attribute(attr="commonprefix"):
            return "commonprefix knows no folders"
        case ast.Attribute(attr="getfqdn"):
            return "getfqdn asks the network"
        case ast.Call(func=ast.Attribute(attr="startswith"), args=[argument, *_]):
            if set(ast.unparse(argument).replace(".", "_").split("_")) & ROOT_NAMES:
                return "startswith(root) lets a sibling folder through"
    return None


def swallowed(node: ast.AST) -> str | None:
    match node:
        case ast.ExceptHandler(
            type=kind, body=[ast.Pass() | ast.Continue() | ast.Expr(ast.Constant())]
        ):
            if kind is None or names_everything(kind):
                return "every error swallowed"
        case ast.ExceptHandler(type=None):
            return "bare except takes KeyboardInterrupt too"
        case ast.Call(func=function, args=args) if ast.unparse(function).endswith("suppress"):
            if any(names_everything(argument) for argument in args):
                return "every error swallowed"
    return None


def names_everything(kind: ast.expr) -> bool:
    """Tell whether Exception or BaseException is what is caught, alone or among others."""
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(isinstance(k, ast.Name) and k.id in ("Exception", "BaseException") for k in kinds)


def is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def is_re(node: ast.expr) -> bool:
    """Tell whether a node is the module re, or a pattern: a name in capitals."""
    return isinstance(node, ast.Name) and (node.id == "re" or node.id.isupper())


# --- growing bytes in a loop ---------------------------------------------------------------------


def grown_in_loops(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """See `x += chunk` in a loop where the function has made x from b"" or ""."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        texts = set(map(ast.unparse, made_from_text(function)))
        for loop in ast.walk(function):
            if not isinstance(loop, ast.For | ast.While | ast.AsyncFor):
                continue
            for node in ast.walk(loop):
                match node:
                    case ast.AugAssign(target=target, op=ast.Add()):
                        if ast.unparse(target) in texts:
                            yield node.lineno, f"{ast.unparse(target)} += in a loop: join a list"


def made_from_text(function: ast.AST) -> Iterator[ast.expr]:
    """List what is assigned a literal str or bytes, or annotated as one."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=targets, value=value) if is_text(value):
                yield from targets
            case ast.AnnAssign(target=target, annotation=ast.Name(id="bytes" | "str")):
                yield target
            case ast.arg(arg=name, annotation=ast.Name(id="bytes" | "str")):
                yield ast.Name(name)


def is_text(node: ast.expr | None) -> bool:
    match node:
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr():
            return True
        case ast.Call(func=ast.Name(id="bytes" | "str")):
            return True
    return False


# --- regular expressions -------------------------------------------------------------------------


def pattern_faults(pattern: str | bytes, flags: int = 0) -> Iterator[str]:
    """See what a regular expression must not have: `$`, Unicode classes, nested repetition."""
    try:
        parsed = sre_parser.parse(pattern, flags)
    except re.error as error:
        yield f"no regular expression: {error}"
        return
    yield from tree_faults(parsed, repeated=False)
    flags |= parsed.state.flags
    if isinstance(pattern, str) and flags & re.IGNORECASE and not flags & re.ASCII:
        yield "IGNORECASE without ASCII: the Kelvin sign is a k"


def tree_faults(node: Any, repeated: bool) -> Iterator[str]:
    """Walk a parsed regular expression. repeated: inside a repetition without an end."""
    for operation, argument in node:
        if operation is sre.AT and argument in BOUNDARIES:
            yield f"{BOUNDARIES[argument]} in a regular expression: use \\Z, fullmatch or a class"
        elif operation is sre.CATEGORY:
            yield f"{CATEGORIES.get(argument, argument)} in a regular expression follows Unicode"
        elif operation in REPEATS:
            endless = argument[1] is sre.MAXREPEAT
            if endless and repeated:
                yield "repetition inside repetition: make the inner one possessive"
            yield from tree_faults(argument[2], repeated or endless)
        elif operation is sre.POSSESSIVE_REPEAT:
            yield from tree_faults(argument[2], repeated=False)
        elif operation is sre.ATOMIC_GROUP:
            yield from tree_faults(argument, repeated=False)
        else:
            for inner in branches(argument):
                yield from tree_faults(inner, repeated)


def branches(argument: Any) -> Iterator[Any]:
    """Find the parts of an operation's argument that are patterns themselves."""
    if isinstance(argument, sre_parser.SubPattern):
        yield argument
    elif isinstance(argument, tuple) and argument and argument[0] is sre.CATEGORY:
        yield [argument]  # a class in a set: compared by identity, for it equals a small number
    elif isinstance(argument, list | tuple):
        for inner in argument:
            yield from branches(inner)


def literal_patterns(tree: ast.Module) -> Iterator[tuple[int, str | bytes, int]]:
    """List what is handed to re's functions and can be read without running: line, text, flags."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="re"), attr=name)
                | ast.Name(id="pattern" as name),
                args=[first, *rest],
            ) if name == "pattern" or name in RE_FUNCTIONS:
                given = [ast.unparse(a) for a in [*rest, *(k.value for k in node.keywords)]]
                flags = re.IGNORECASE if any("re.I" in text for text in given) else 0
                flags |= re.ASCII if any("re.A" in text for text in given) else 0
                flags |= re.VERBOSE if any("re.X" in t or "VERBOSE" in t for t in given) else 0
                if isinstance(first, ast.Constant) and isinstance(first.value, str | bytes):
                    yield node.lineno, first.value, flags


# --- all of it -----------------------------------------------------------------------------------

# For every file of crlf: these are mistakes on any floor.
EVERYWHERE: tuple[Trap, ...] = (assertion, swallowed)
# For every floor but the command line, whose lists are as long as a screen.
BUSY: tuple[Trap, ...] = (quadratic,)
# For what reads the peer's bytes.
ENGINE: tuple[Trap, ...] = (
    lenient_number,
    blank_strip,
    unicode_method,
    banned_import,
    unsafe_path,
)


def trap_faults(module: Module, traps: tuple[Trap, ...]) -> Iterator[Fault]:
    """See the traps in one file."""
    for node, owner in owned(module.tree, ""):
        for trap in traps:
            if trap is lenient_number and (module.path, owner) in NUMBERS:
                continue
            if what := trap(node):
                yield Fault(module.path, getattr(node, "lineno", 0), what)


def text_faults(module: Module) -> Iterator[Fault]:
    """See bytes grown in loops, and bad regular expressions, in one file."""
    for line, what in grown_in_loops(module.tree):
        yield Fault(module.path, line, what)
    for line, pattern, flags in literal_patterns(module.tree):
        for what in pattern_faults(pattern, flags):
            yield Fault(module.path, line, what)


def owned(tree: ast.AST, owner: str) -> Iterator[tuple[ast.AST, str]]:
    """Walk a tree with the name of the function or class that each node is in."""
    for child in ast.iter_child_nodes(tree):
        name = owner
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{owner}.{child.name}" if owner else child.name
        yield child, owner
        yield from owned(child, name)
