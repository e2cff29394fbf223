"""The folder formats of knowledge graphs, and how one is told from another by looking.

OpenKE (`*2id.txt`): a count first in every file; names with ids; triples as *head tail relation*.
Listed (as RED-GNN publishes its splits): `entities.txt` and `relations.txt` list the names, with or
without ids, triples are names, and `facts.txt` may hold edges beside the training queries. The
lists may also be `entities.dict` and `relations.dict`, id first, as RotatE publishes them, or
`entity2id.txt` and `relation2id.txt`.
Plain: only `train.txt`, `valid.txt`, `test.txt` with names; training decides the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kapl_jax.data.ids import numbered_split, parse_ids
from kapl_jax.data.named_triples import list_of_names, read_named_splits
from kapl_jax.data.names import numbered_names
from kapl_jax.data.parsed_graph import ParsedGraph, Split
from kapl_jax.data.text import TextFile, listing, read_text_file, split_columns, take_count_line
from kapl_jax.errors import UserError

_PLAIN_FILES = ("train.txt", "valid.txt", "test.txt")
# What lists of names are called, by format: those of entities, those of relations.
LISTS = {
    "listed": ("entities.txt", "relations.txt"),
    "RotatE": ("entities.dict", "relations.dict"),
    "listed with ids": ("entity2id.txt", "relation2id.txt"),
}
_OPENKE_COLUMNS = ("head", "tail", "relation")


@dataclass(frozen=True)
class Format:
    """A folder format.

    Attributes:
        name: How messages call it.
        markers: A folder with any of these files is meant to be of this format.
        required: It then must have all of these.
        read: Reads a folder that has them.
    """

    name: str
    markers: tuple[str, ...]
    required: tuple[str, ...]
    read: Callable[[Path], ParsedGraph]


def read_graph(folder: Path) -> ParsedGraph:
    """Find out the format of an existing folder and read it.

    Raises:
        UserError: No format fits, a file is missing, or its content cannot be used.
    """
    return _find_format(folder).read(folder)


def _find_format(folder: Path) -> Format:
    found = sorted(entry.name for entry in folder.iterdir())
    candidate = next((f for f in FORMATS if not set(f.markers).isdisjoint(found)), None)
    if candidate is None:
        known = "; ".join(f"{f.name}: {', '.join(f.required)}" for f in FORMATS)
        raise UserError(f"{folder}: found {_listing(found)}, expected one of {known}")
    missing = [name for name in candidate.required if name not in found]
    if missing:
        expected = f"also {', '.join(missing)} for the {candidate.name} format"
        raise UserError(f"{folder}: found {_listing(found)}, expected {expected}")
    return candidate


def _listing(names: list[str]) -> str:
    if not names:
        return "an empty folder"
    return listing(names)


def read_plain(folder: Path) -> ParsedGraph:
    """Read `train.txt`, `valid.txt` and `test.txt` of head, relation, tail, all of them names.

    Entities and relations are numbered in the order in which the training triples name them.
    """
    splits = read_named_splits(folder, with_facts=False)
    return splits.graph(*splits.names_in_training())


def read_listed(folder: Path, entities: str, relations: str) -> ParsedGraph:
    """Read two lists of names, the three splits of names and maybe `facts.txt`."""
    splits = read_named_splits(folder, with_facts=True)
    return splits.graph(
        list_of_names(folder / entities, "entity"), list_of_names(folder / relations, "relation")
    )


def read_openke(folder: Path) -> ParsedGraph:
    """Read `entity2id.txt`, `relation2id.txt` and `train2id.txt`, `valid2id.txt`, `test2id.txt`."""
    entities = numbered_names(_counted_file(folder / "entity2id.txt"), "entity")
    relations = numbered_names(_counted_file(folder / "relation2id.txt"), "relation")
    counts = (len(entities.names), len(relations.names))
    return ParsedGraph(
        entities=entities,
        relations=relations,
        facts=None,
        train=_numbered_triples(folder / "train2id.txt", *counts),
        valid=_numbered_triples(folder / "valid2id.txt", *counts),
        test=_numbered_triples(folder / "test2id.txt", *counts),
    )


def _counted_file(path: Path) -> TextFile:
    return take_count_line(read_text_file(path))


def _numbered_triples(path: Path, num_entities: int, num_relations: int) -> Split:
    file = _counted_file(path)
    columns = split_columns(file, _OPENKE_COLUMNS)
    kinds = ("entity", "entity", "relation")
    ids = parse_ids(file, columns, kinds, (num_entities, num_entities, num_relations))
    return numbered_split(file, ids[:, [0, 2, 1]])


# The first whose marker is there: OpenKE's folders and the listed ones often hold plain files too.
FORMATS = (
    Format(
        name="OpenKE",
        markers=("train2id.txt",),
        required=(
            "entity2id.txt",
            "relation2id.txt",
            "train2id.txt",
            "valid2id.txt",
            "test2id.txt",
        ),
        read=read_openke,
    ),
    *(
        Format(
            name=name,
            markers=lists,
            required=(*lists, *_PLAIN_FILES),
            read=partial(read_listed, entities=lists[0], relations=lists[1]),
        )
        for name, lists in LISTS.items()
    ),
    Format(name="plain", markers=_PLAIN_FILES, required=_PLAIN_FILES, read=read_plain),
)
