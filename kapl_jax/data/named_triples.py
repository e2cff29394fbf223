"""Triples written by name: the files of the splits, and lists of the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kapl_jax.data.headers import is_list_header, refuse_header
from kapl_jax.data.ids import look_up_triples
from kapl_jax.data.names import listed_names, names_of_first_use, numbered_names, with_undeclared
from kapl_jax.data.parsed_graph import Names, ParsedGraph, Split
from kapl_jax.data.text import (
    TextFile,
    line_error,
    quote,
    read_text_file,
    split_columns,
    take_count_line,
)

_COLUMNS = ("head", "relation", "tail")
_SPLITS = ("train", "valid", "test")
_ASKED = ("valid", "test")
_SEPARATORS = (",", ";", "|")
_ENDS_OF_STATEMENTS = (" .", ">.")


@dataclass(frozen=True)
class NamedTriples:
    """The triples of one file: three columns of names."""

    file: TextFile
    columns: list[list[str]]


@dataclass(frozen=True)
class NamedSplits:
    """The files of a folder, by split: maybe `facts`, then `train`, `valid` and `test`.

    Attributes:
        files: The triples of each.
        warnings: What was odd in them.
    """

    files: Mapping[str, NamedTriples]
    warnings: tuple[str, ...]

    def relations(self) -> tuple[str, ...]:
        """Return the relations of all files in the order of their first use."""
        columns = (triples.columns[1] for triples in self.files.values())
        return tuple(dict.fromkeys(name for column in columns for name in column))

    def names_in_training(self) -> tuple[Names, Names]:
        """Return entities and relations in the order in which training uses them."""
        train = self.files["train"]
        heads, relations, tails = train.columns
        return (
            names_of_first_use(train.file, heads, tails),
            names_of_first_use(train.file, relations),
        )

    def graph(self, entities: Names, relations: Names) -> ParsedGraph:
        """Number the triples.

        Names that only validation and test have come behind the others, as undeclared.

        Raises:
            UserError: Training has a name that is not declared, or a list begins with a header.
        """
        asked = [self.files[split].columns for split in _ASKED]
        ends = (
            name for column in asked for pair in zip(*column[::2], strict=True) for name in pair
        )
        used = (name for _, column, _ in asked for name in column)
        declared = (entities, relations)
        everything = (with_undeclared(entities, ends), with_undeclared(relations, used))
        splits = {
            split: look_up_triples(
                triples.file, triples.columns, *(everything if split in _ASKED else declared)
            )
            for split, triples in self.files.items()
        }
        _refuse_list_header(entities, (0, 2), splits)
        _refuse_list_header(relations, (1,), splits)
        return ParsedGraph(
            *everything,
            facts=splits.get("facts"),
            train=splits["train"],
            valid=splits["valid"],
            test=splits["test"],
            warnings=self.warnings,
        )


def read_named_splits(folder: Path, *, with_facts: bool) -> NamedSplits:
    """Read the files of a folder; `facts.txt` is optional where it may be there at all.

    Raises:
        UserError: A file cannot be used, or begins with a header.
    """
    has_facts = with_facts and (folder / "facts.txt").exists()
    files = {}
    for split in ("facts", *_SPLITS) if has_facts else _SPLITS:
        file = read_text_file(folder / f"{split}.txt")
        files[split] = NamedTriples(file, split_columns(file, _COLUMNS))
        _refuse_marks(files[split])
    columns = [triples.columns for triples in files.values()]
    found = (refuse_header(triples.file, triples.columns, columns) for triples in files.values())
    return NamedSplits(files, tuple(filter(None, found)))


def _refuse_marks(triples: NamedTriples) -> None:
    """Refuse names that end in what separates columns or ends lines in other formats."""
    heads, relations, tails = triples.columns
    expected = "only white space or tabs between head, relation and tail"
    for mark in _SEPARATORS:
        if all(name.endswith(mark) for column in (heads, relations) for name in column):
            raise triples.file.error(0, f"{mark!r} behind each name", expected)
    if all(name.endswith(_ENDS_OF_STATEMENTS) for name in tails):
        raise triples.file.error(0, "'.' at the end of each line, as in N-Triples", expected)


def list_of_names(path: Path, kind: str) -> Names:
    """Read a list of names, one per line, with ids or without.

    Args:
        path: The file; one with ids may begin with their number, and one that is called `.dict` has
            them in the first column.
        kind: "entity" or "relation", for messages.

    Raises:
        UserError: The file cannot be read, or a line is no name (and id).
    """
    file = read_text_file(path)
    if path.suffix == ".dict":
        return numbered_names(file, kind, ids_first=True)
    if path.stem.endswith("2id"):
        return numbered_names(_without_count(file), kind)
    return numbered_names(file, kind) if _has_ids(file) else listed_names(file)


def _without_count(file: TextFile) -> TextFile:
    return take_count_line(file) if len(file.lines[0].split()) == 1 else file


def _has_ids(file: TextFile) -> bool:
    """Tell whether names come with ids: no name holds a tab."""
    first, *others = (line.split() for line in file.lines[:2])
    if "\t" in file.lines[0].strip():
        return True
    is_header = is_list_header(first) and any(map(str.isdecimal, others[0] if others else ()))
    return len(first) == 2 and (first[1].isdecimal() or is_header)


def _refuse_list_header(
    names: Names, columns: tuple[int, ...], splits: Mapping[str, Split]
) -> None:
    """Refuse a list whose first line is a word for what it lists, and in no triple."""
    first = int(np.argmin(names.lines))
    if not is_list_header((names.names[first],)):
        return
    if not any((split.triples[:, columns] == first).any() for split in splits.values()):
        found = f"the header {quote(names.names[first])}"
        expected = "a name; remove the line"
        raise line_error(names.path, int(names.lines[first]), found, expected)
