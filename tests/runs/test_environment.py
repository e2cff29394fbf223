from __future__ import annotations

import importlib.metadata
import json
import platform

import jax

from kapl_jax.runs import environment as module
from kapl_jax.runs.environment import environment


def test_versions_and_device():
    found = environment()
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["jax"] == jax.__version__
    assert found["device"]["platform"] == jax.default_backend()
    assert found["device"]["name"].startswith(f"{jax.device_count()} x ")
    json.dumps(found)


def test_a_package_that_is_not_installed(monkeypatch):
    def missing(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(module.importlib.metadata, "version", missing)
    assert environment()["versions"]["optax"] == "not installed"
