"""The cache in processes of their own: JAX sets one up once per process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kapl_jax.runs import compilation_cache

ROOT = Path(__file__).resolve().parents[2]
# Compiles by `lowered.compile`, as the engine does, and tells what the cache was good for.
PROGRAM = """
import sys
import jax
from absl import app
from kapl_jax.runs.compilation_cache import use_compilation_cache
found = {"hits": 0, "misses": 0}
def count(event, **more):
    for kind in found:
        found[kind] += event == f"/jax/compilation_cache/cache_{kind}"
jax.monitoring.register_event_listener(count)
use_compilation_cache(*sys.argv[1:])
lowered = jax.jit(lambda x: (x @ x).sum()).lower(jax.ShapeDtypeStruct((8, 8), "float32"))
compiled = lowered.compile({"xla_cpu_prefer_vector_width": 512})
import numpy as np
assert float(compiled(np.ones((8, 8), "float32"))) == 512
print(found["hits"], found["misses"])
"""


def compile_in_process(*arguments: str, **variables: str) -> tuple[str, str]:
    """Return what was found in the cache, as hits and misses, and what stood on stderr."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    settings = {"JAX_PLATFORMS": "cpu", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**inherited, **settings, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def entries(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*-cache"))


def test_programs_are_kept_in_the_users_cache_whatever_becomes_of_it(tmp_path):
    variables = {"XDG_CACHE_HOME": str(tmp_path)}
    assert compile_in_process(**variables) == ("0 1", "")
    (kept,) = entries(tmp_path)
    assert kept.parent.parent == tmp_path / "kapl_jax" / "compiled"
    whole = kept.read_bytes()
    assert compile_in_process(**variables) == ("1 0", "")
    # What is torn is removed and written again; a changed byte is noticed as well.
    for damaged in (whole[:100], b"", whole[:99] + b"?" + whole[100:]):
        kept.write_bytes(damaged)
        assert compile_in_process(**variables) == ("0 1", "")
        assert kept.read_bytes()[:2] == whole[:2]
        assert len(kept.read_bytes()) > 100


def test_another_folder_or_none(tmp_path):
    variables = {"XDG_CACHE_HOME": str(tmp_path / "user")}
    assert compile_in_process("none", **variables) == ("0 0", "")
    assert compile_in_process(str(tmp_path / "mine"), **variables) == ("0 1", "")
    assert len(entries(tmp_path / "mine")) == 1
    assert not (tmp_path / "user").exists()


def test_the_users_choice_for_all_of_jax_counts(tmp_path):
    variables = {
        "XDG_CACHE_HOME": str(tmp_path / "user"),
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "all"),
    }
    assert compile_in_process(**variables) == ("0 1", "")
    assert len(list((tmp_path / "all").glob("*-cache"))) == 1
    assert not (tmp_path / "user").exists()
    assert compile_in_process("none", **variables) == ("0 0", "")


def test_a_folder_that_cannot_be_used_is_a_warning(tmp_path):
    (tmp_path / "file").write_text("")
    said = compile_in_process(str(tmp_path / "file"))
    assert said[0] == "0 0"
    (line,) = said[1].splitlines()
    assert line.startswith(f"warning: {tmp_path / 'file'}")
    assert line.endswith("compiled programs are not kept, see --compilation_cache")
    homeless = compile_in_process(XDG_CACHE_HOME="~nobody-of-this-name/cache")
    assert homeless[0] == "0 0"
    assert homeless[1].startswith("warning: $XDG_CACHE_HOME: found '~nobody-of-this-name/cache'")


def test_what_was_used_least_recently_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(compilation_cache, "_MOST_BYTES", 250)
    here, other = tmp_path / "here", tmp_path / "other"
    here.mkdir()
    (here / "checked").touch()
    for number, folder in enumerate([here, other, here, other]):
        folder.mkdir(exist_ok=True)
        entry = folder / f"{number}-cache"
        entry.write_bytes(compilation_cache._ZSTANDARD + bytes(96))
        os.utime(entry, (1000 + number, 1000 + number))
    compilation_cache._tidy(tmp_path, here)
    assert [entry.name for entry in entries(tmp_path)] == ["2-cache", "3-cache"]


def test_only_what_is_new_is_looked_at(tmp_path):
    torn = tmp_path / "a-cache"
    torn.write_bytes(b"torn")
    (tmp_path / "checked").touch()
    os.utime(torn, (1000, 1000))
    compilation_cache._tidy(tmp_path.parent, tmp_path)
    assert torn.exists()
    torn.touch()
    os.utime(tmp_path / "checked", (1000, 1000))
    compilation_cache._tidy(tmp_path.parent, tmp_path)
    assert not torn.exists()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("model name\t: A\nflags\t: sse avx\n", "model name\t: A\nflags\t: sse avx\n", True),
        ("model name\t: A\nflags\t: sse avx\n", "model name\t: A\nflags\t: sse\n", False),
        ("model name\t: A\nflags\t: sse\n", "model name\t: B\nflags\t: sse\n", False),
        ("CPU part\t: 0xd0c\n", "CPU part\t: 0xd4f\n", False),
        # Neither the number of cores nor their clock changes what a program may use.
        ("flags\t: sse\ncpu MHz\t: 1\n", "flags\t: sse\ncpu MHz\t: 2\nflags\t: sse\n", True),
    ],
)
def test_each_kind_of_processor_has_a_folder(monkeypatch, first, second, same):
    names = []
    for text in (first, second):
        monkeypatch.setattr(Path, "read_text", lambda self, text=text, **more: text)
        names.append(compilation_cache._processor())
    assert (names[0] == names[1]) == same
