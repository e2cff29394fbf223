"""What a run ran on, for its record."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

import jax

from kapl_jax.runs.program import device_name

_PACKAGES = ("kapl-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def environment() -> dict[str, Any]:
    """Return the versions of Python and the main packages, and the devices."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    device = {"name": device_name(), "platform": jax.local_devices()[0].platform}
    return {"versions": versions, "device": device}
