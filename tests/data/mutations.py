"""Damage to small files, as users and their programs do it: bytes, lines, columns, encodings."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

# What is inserted, or takes the place of a cell.
ODD = (
    *(b"", b" ", b"\0", b"\r", b"\n", b"\t", b",", b";", b'"', b"'", b"::", b"|", b"?", b"#"),
    *(b"\xff", b"\xe9", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *(b"\xf0\x9f\x98\x80", b"\xd9\xa3", b"\xc2\xb2", b"\\", b"head", b"id", b"user,item,rating"),
    *(b"0", b"1", b"-1", b"2.5", b"1e5", b"1e99", b"1e308", b"1e999", b"nan", b"inf", b"-inf"),
    *(b"1_000", b"999999999", b"4294967296", b"1000000000000", b"9" * 30, b"9" * 5000),
    *(b"subject\trelation\tobject", b"x" * 100_000, b"\n" * 500),
)
SEPARATORS = (b"\t", b"::", b",", b"|", b" ")
Damage = Callable[[bytes, np.random.Generator], bytes]


def _odd(rng: np.random.Generator) -> bytes:
    return ODD[rng.integers(len(ODD))]


def _two_places(size: int, rng: np.random.Generator) -> tuple[int, int]:
    first, second = sorted(rng.integers(0, size + 1, 2).tolist())
    return first, second


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for index in rng.integers(0, len(data), rng.integers(1, 4)):
        changed[index] ^= 1 << rng.integers(8)
    return bytes(changed)


def cut_out(data: bytes, rng: np.random.Generator) -> bytes:
    first, second = _two_places(len(data), rng)
    return data[:first] + data[second:] if rng.random() < 0.3 else data[:first] + data[first + 1 :]


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    index = rng.integers(0, len(data) + 1)
    return data[:index] + _odd(rng) + data[index:]


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data))]


def repeat(data: bytes, rng: np.random.Generator) -> bytes:
    first, second = _two_places(len(data), rng)
    return data[:second] + data[first:]


def _lines(change: Callable[[list[bytes], np.random.Generator], list[bytes]]) -> Damage:
    def changed(data: bytes, rng: np.random.Generator) -> bytes:
        return b"\n".join(change(data.split(b"\n"), rng))

    return changed


def _drop(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    index = rng.integers(len(lines))
    return lines[:index] + lines[index + 1 :]


def _double(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    return [*lines, lines[rng.integers(len(lines))]]


def _swap(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    return [lines[index] for index in rng.permutation(len(lines))]


def _cell(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    """Replace, drop or add a cell of one line."""
    index = rng.integers(len(lines))
    lines[index] = _change_cell(lines[index], rng.integers(8), rng.integers(3), _odd(rng))
    return lines


def _column(lines: list[bytes], rng: np.random.Generator) -> list[bytes]:
    """Replace, drop or add a cell of all lines."""
    column, kind, odd = rng.integers(4), rng.integers(3), _odd(rng)
    return [_change_cell(line, column, kind, odd) for line in lines]


def _change_cell(line: bytes, column: int, kind: int, odd: bytes) -> bytes:
    separator = next((mark for mark in SEPARATORS if mark in line), b"\t")
    cells = line.split(separator)
    column %= len(cells)
    cells[column : column + (kind != 2)] = [] if kind == 0 else [odd]
    return separator.join(cells)


def _text(change: Callable[[str], bytes]) -> Damage:
    return lambda data, rng: change(data.decode("utf-8", "replace"))


DAMAGES: tuple[Damage, ...] = (
    *(flip, cut_out, insert, truncate, repeat),
    *(_lines(change) for change in (_drop, _double, _swap, _cell, _cell, _column)),
    lambda data, rng: b"",
    lambda data, rng: data.replace(b"\n", rng.choice([b"\r", b"\r\n", b"\r\r\n", b"\n\n", b" \n"])),
    lambda data, rng: data.replace(b"\t", b" ").replace(b",", b";"),
    _text(lambda text: text.encode("utf-16")),
    _text(lambda text: text.encode("utf-16-le")),
    _text(lambda text: text.replace("a", "\u00e9").encode("latin-1", "replace")),
    _text(lambda text: text.encode("utf-8-sig")),
    _text(lambda text: text.replace("a", "\u00e9").encode("cp037", "replace")),
)


def damaged(files: dict[str, bytes], rng: np.random.Generator) -> dict[str, bytes | None]:
    """Damage one or a few of the files; None stands for a directory of that name."""
    changed: dict[str, bytes | None] = dict(files)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name = sorted(changed)[rng.integers(len(changed))]
        chance, data = rng.random(), changed[name]
        if chance < 0.02 and len(changed) > 1:
            del changed[name]
        elif chance < 0.04 or data is None:
            changed[name] = None
        elif data:
            changed[name] = DAMAGES[rng.integers(len(DAMAGES))](data, rng)
    return changed


def write_files(folder: Path, files: dict[str, bytes | None]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if data is None:
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(data)


def write_archive(path: Path, files: dict[str, bytes | None]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, data in files.items():
            writer.writestr(f"data/{name}" + "/" * (data is None), data or b"")
