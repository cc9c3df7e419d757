"""The shop for servers in processes of their own, which find this file in PYTHONPATH."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

HERE = ModuleType("tests")  # not one that some package has left where all packages are
HERE.__path__ = [str(Path(__file__).parent.parent)]
sys.modules["tests"] = HERE

from tests.matrix.app_shop import from_environment as made  # noqa: E402  # only now it is found

__all__ = ["made"]
