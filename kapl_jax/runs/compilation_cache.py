"""Compiled programs kept from run to run, in JAX's persistent compilation cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import jax

from kapl_jax.errors import UserError
from kapl_jax.paths import cache_folder
from kapl_jax.runs.program import print_warnings
from kapl_jax.runs.settings import setting

_NONE = "none"
_MOST_BYTES = 512 * 2**20
# What compiles faster is not worth a file.
_SECONDS_WORTH_KEEPING = 0.1
_ENTRIES, _STAMP = "*-cache", "checked"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
# Of a processor in /proc/cpuinfo: what tells which instructions it knows (x86-64, then ARM).
_PROCESSOR = re.compile(
    r"(vendor_id|cpu family|model|model name|stepping|flags|"
    r"CPU implementer|CPU architecture|CPU variant|CPU part|CPU revision|Features)\s*:.*"
)


def cache_setting() -> Any:
    """Declare the field of a settings dataclass that `use_compilation_cache` takes."""
    return setting(
        "",
        "Folder for compiled programs, or 'none'; by default $JAX_COMPILATION_CACHE_DIR, or "
        "else the user's cache.",
        path=True,
        identity=False,
    )


def use_compilation_cache(given: str = "") -> None:
    """Let JAX keep what it compiles, and take what it kept.

    Each kind of processor has a folder of its own: programs that one machine compiled may use
    instructions that another, with the same home, lacks. What a crash or a full disk left torn is
    removed, and what was used least recently where all grows over 512 MiB. Nothing of this can
    fail a run: there is a warning at most.

    Args:
        given: The folder, `none`, or empty for the user's choice by JAX's environment variables,
            else the user's cache.
    """
    if given == _NONE:
        jax.config.update("jax_enable_compilation_cache", False)
        return
    if not given and jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return
    try:
        root = Path(given) if given else cache_folder() / "compiled"
        folder = root.absolute() / _processor()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tidy(root, folder)
    except (OSError, UserError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        print_warnings([f"{reason}; compiled programs are not kept, see --compilation_cache"])
        return
    # What cannot be read or written is compiled anew, and that is all there is to it.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SECONDS_WORTH_KEEPING)


def _processor() -> str:
    """Return a name for the kind of processor: of equal name are those with equal instructions."""
    found = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        found += sorted({line for line in lines if _PROCESSOR.fullmatch(line)})
    digest = hashlib.sha256("\n".join(found).encode()).hexdigest()
    return f"{platform.machine()}-{digest[:12]}"


def _tidy(root: Path, folder: Path) -> None:
    """Remove torn programs from `folder`, and from all below `root` what is too much.

    Only what was written since the last time is looked at. A program that another process is
    writing just now may count as torn: it is then compiled once more.
    """
    stamp = folder / _STAMP
    since = stamp.stat().st_mtime if stamp.exists() else 0.0
    for entry in folder.glob(_ENTRIES):
        # Here and below: another process may have removed it.
        with contextlib.suppress(FileNotFoundError):
            if entry.stat().st_mtime >= since and not _is_intact(entry.read_bytes()):
                entry.unlink()
    stamp.touch()
    used: list[tuple[float, int, Path]] = []
    for entry in root.glob(f"*/{_ENTRIES}"):
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat()
            used.append((max(status.st_atime, status.st_mtime), status.st_size, entry))
    too_much = sum(size for _, size, _ in used) - _MOST_BYTES
    for _, size, entry in sorted(used):
        if too_much <= 0:
            break
        entry.unlink(missing_ok=True)
        too_much -= size


def _is_intact(content: bytes) -> bool:
    """Tell whether a kept program is whole, by the checksum in it."""
    if content.startswith(_ZSTANDARD):
        return True  # JAX compresses so where it can; it finds out itself when it reads it.
    try:
        zlib.decompress(content)
    except zlib.error:
        return False
    return True
