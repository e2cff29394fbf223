"""What tests of all methods share."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_report(monkeypatch):
    """Draw no figures: they have tests of their own."""
    monkeypatch.setattr(
        "kapl_jax.methods.pipeline.write_report", lambda runs, folder, presentations: folder
    )
