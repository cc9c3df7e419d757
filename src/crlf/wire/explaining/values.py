"""Field values in words: what this value of this field says, and the parts it is made of."""

from __future__ import annotations

from crlf.wire.explaining.spans import Span, span_of
from crlf.wire.explaining.words import shown


def value_span(
    start: int, element: str, name: str, value: str, rule: str, *, is_folded: bool = False
) -> Span:
    """Make the span of a field's value."""
    return span_of(start, start + len(value), element, f"{name} is {shown(value)}", rule)
