import functools
import hashlib
import http.server
import threading

import pytest

from kapl_jax.data import registry
from kapl_jax.data.registry import Dataset
from tests.data.graph_folders import small_graph, write_plain


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache, still empty, with no other place to look in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KAPL_DATA", raising=False)
    return tmp_path / "cache" / "kapl_jax"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of this machine: the folder that it gives away, and its address."""
    pytest.importorskip("pooch", reason="pooch, which downloads, is not installed")
    folder = tmp_path / "server"
    handler = functools.partial(QuietHandler, directory=str(folder))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield folder, f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


def publish(server, name):
    """Put a small graph on the server, and return its entry."""
    root, address = server
    folder = write_plain(root / name, small_graph())
    return Dataset(
        name=name,
        base_url=f"{address}/{name}/",
        sha256={p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()},
    )


@pytest.fixture
def published(server, monkeypatch):
    """A small graph on a server of this machine, and its registered entry."""
    toy = publish(server, "toy")
    monkeypatch.setattr(registry, "DATASETS", (*registry.DATASETS, toy))
    return toy


@pytest.fixture
def published_pair(server, monkeypatch):
    """An inductive pair on a server of this machine, and its registered entries."""
    pair = (publish(server, "toy"), publish(server, "toy_ind"))
    monkeypatch.setattr(registry, "DATASETS", (*registry.DATASETS, *pair))
    return pair
