"""What the stories with real peers get by name."""

from __future__ import annotations

from tests.examples.storefront import store, visitor, visitors
from tests.live.browsing import browser, driver

__all__ = ["browser", "driver", "store", "visitor", "visitors"]
