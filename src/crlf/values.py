"""Values: small frozen classes with slots, as dataclasses would make them.

`@frozen` takes what `@dataclass(frozen=True, slots=True)` takes, as far as this house needs it,
and type checkers see the same (PEP 681). It is ours because of what the other one costs when a
program starts: `dataclasses` loads `inspect` and writes and compiles a source for each class,
15 ms of the 60 in which a command line should have answered.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a class of annotated names, some with defaults, into a frozen value.

    It is built by position or by name, compares, hashes, pickles and prints by its fields, and
    calls `__post_init__` where there is one.
    """
    return _made(cls, is_frozen=True)


@dataclass_transform()
def record(cls: type[T]) -> type[T]:
    """Make a class like a value whose fields may change, and which therefore has no hash."""
    return _made(cls, is_frozen=False)


def _made(cls: type[T], *, is_frozen: bool) -> type[T]:
    names = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    kept = {
        name: thing
        for name, thing in cls.__dict__.items()
        if name not in defaults and name not in ("__dict__", "__weakref__")
    }
    build: Any = type(cls)
    made = build(
        cls.__name__,
        cls.__bases__,
        {
            **kept,
            "__slots__": names,
            "__match_args__": names,
            "__qualname__": cls.__qualname__,
            "__reduce__": _reduce,
            "__replace__": replace,
            "__eq__": _equal,
            "__hash__": _hash if is_frozen else None,
            "__repr__": kept.get("__repr__", _repr),
            **({"__setattr__": _refuse, "__delattr__": _refuse} if is_frozen else {}),
        },
    )
    setters = [(name, made.__dict__[name].__set__) for name in names]
    settle = made.__dict__.get("__post_init__")

    def __init__(self: object, *given: object, **named: object) -> None:
        if len(given) > len(names):
            raise TypeError(f"{cls.__name__} has {len(names)} fields, {len(given)} were given")
        for place, (name, setter) in enumerate(setters):
            if place < len(given):
                if name in named:
                    raise TypeError(f"{cls.__name__} was given {name} twice")
                setter(self, given[place])
            elif name in named:
                setter(self, named.pop(name))
            elif name in defaults:
                setter(self, defaults[name])
            else:
                raise TypeError(f"{cls.__name__} needs {name}")
        if named:
            raise TypeError(f"{cls.__name__} has no field {next(iter(named))}")
        if settle is not None:
            settle(self)

    made.__init__ = __init__
    anew: type[T] = made
    return anew


def replace(self: T, **changes: object) -> T:
    """Return a copy of a value with some fields changed."""
    kept = {name: getattr(self, name) for name in type(self).__match_args__}  # type: ignore[attr-defined]  # every value has it
    return type(self)(**{**kept, **changes})


def as_dict(self: object) -> dict[str, Any]:
    """Return a value's fields by name, the values as they are."""
    return {name: getattr(self, name) for name in type(self).__match_args__}  # type: ignore[attr-defined]  # every value has it


def _fields(self: Any) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in self.__match_args__])


def _equal(self: object, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return _fields(self) == _fields(other)


def _hash(self: object) -> int:
    return hash(_fields(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({shown})"


def _reduce(self: object) -> tuple[object, ...]:
    return type(self), _fields(self)


def _refuse(self: object, name: str, *_: object) -> None:
    raise AttributeError(f"a {type(self).__name__} does not change: {name}")
