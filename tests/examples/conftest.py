"""What the stories of the examples get by name."""

from __future__ import annotations

from tests.examples.storefront import store, visitor, visitors

__all__ = ["store", "visitor", "visitors"]
