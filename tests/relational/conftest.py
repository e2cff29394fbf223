"""What tests of relational layers share with those of methods."""

from __future__ import annotations

from tests.methods.conftest import compiled_plainly

__all__ = ["compiled_plainly"]
