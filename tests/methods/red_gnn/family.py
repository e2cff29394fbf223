"""Writes a line of descent: each is the parent of the next and grandparent of the one after."""

from __future__ import annotations

from pathlib import Path


def write_family(folder: Path, letter: str, people: int) -> Path:
    """Write a graph of which every third grandparent is asked for, half to select and to test."""
    parents = [f"{letter}{i}\tparent\t{letter}{i + 1}" for i in range(people - 1)]
    grand = [f"{letter}{i}\tgrandparent\t{letter}{i + 2}" for i in range(people - 2)]
    splits = {
        "train": [*parents, *(line for i, line in enumerate(grand) if i % 3)],
        "valid": grand[::6],
        "test": grand[3::6],
    }
    folder.mkdir(parents=True)
    for name, lines in splits.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder
