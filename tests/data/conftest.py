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
def published(tmp_path, monkeypatch):
    """A small graph on a server of this machine, and its registered entry."""
    pytest.importorskip("pooch", reason="pooch, which downloads, is not installed")
    folder = write_plain(tmp_path / "server" / "toy", small_graph())
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "server"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    toy = Dataset(
        name="toy",
        base_url=f"http://127.0.0.1:{server.server_port}/toy/",
        sha256={p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()},
    )
    monkeypatch.setattr(registry, "DATASETS", (*registry.DATASETS, toy))
    yield toy
    server.shutdown()
    thread.join()
    server.server_close()
