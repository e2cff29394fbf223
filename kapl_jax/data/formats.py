"""The three folder formats of knowledge graphs, and how one is told from another by looking.

OpenKE (`*2id.txt`): a count first in every file; names with ids; triples as *head tail relation*.
Listed (as RED-GNN publishes its splits): `entities.txt` and `relations.txt` list the names, with or
without ids, triples are names, and `facts.txt` may hold edges beside the training queries.
Plain: only `train.txt`, `valid.txt`, `test.txt` with names; training decides the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kapl_jax.data.ids import look_up_triples, numbered_split, parse_ids
from kapl_jax.data.names import listed_names, names_of_first_use, numbered_names
from kapl_jax.data.parsed_graph import Names, ParsedGraph, Split
from kapl_jax.data.text import TextFile, read_text_file, split_columns, take_count_line
from kapl_jax.errors import UserError

_COLUMNS = ("head", "relation", "tail")
_OPENKE_COLUMNS = ("head", "tail", "relation")
_MOST_LISTED = 8


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
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def read_plain(folder: Path) -> ParsedGraph:
    """Read `train.txt`, `valid.txt` and `test.txt` of head, relation, tail, all of them names.

    Entities and relations are numbered in the order in which the training triples name them.
    """
    file = read_text_file(folder / "train.txt")
    columns = split_columns(file, _COLUMNS)
    heads, used_relations, tails = columns
    entities = names_of_first_use(file, heads, tails)
    relations = names_of_first_use(file, used_relations)
    return ParsedGraph(
        entities=entities,
        relations=relations,
        facts=None,
        train=look_up_triples(file, columns, entities, relations),
        valid=_named_split(folder / "valid.txt", entities, relations),
        test=_named_split(folder / "test.txt", entities, relations),
    )


def read_listed(folder: Path) -> ParsedGraph:
    """Read `entities.txt`, `relations.txt`, the three splits of names and maybe `facts.txt`."""
    entities = entity_or_relation_list(folder / "entities.txt", "entity")
    relations = entity_or_relation_list(folder / "relations.txt", "relation")
    facts = folder / "facts.txt"
    return ParsedGraph(
        entities=entities,
        relations=relations,
        facts=_named_split(facts, entities, relations) if facts.exists() else None,
        train=_named_split(folder / "train.txt", entities, relations),
        valid=_named_split(folder / "valid.txt", entities, relations),
        test=_named_split(folder / "test.txt", entities, relations),
    )


def _named_split(path: Path, entities: Names, relations: Names) -> Split:
    file = read_text_file(path)
    return look_up_triples(file, split_columns(file, _COLUMNS), entities, relations)


def entity_or_relation_list(path: Path, kind: str) -> Names:
    """Read a list of names, one a line, with ids or without.

    Args:
        path: The file.
        kind: "entity" or "relation", for messages.

    Raises:
        UserError: The file cannot be read, or a line is no name (and id).
    """
    file = read_text_file(path)
    return numbered_names(file, kind) if _has_ids(file) else listed_names(file)


def _has_ids(file: TextFile) -> bool:
    """Tell by the first line whether names come with ids: no name holds a tab."""
    cells = file.lines[0].split()
    return "\t" in file.lines[0].strip() or (len(cells) == 2 and cells[1].isdecimal())


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
    Format(
        name="listed",
        markers=("entities.txt", "relations.txt"),
        required=("entities.txt", "relations.txt", "train.txt", "valid.txt", "test.txt"),
        read=read_listed,
    ),
    Format(
        name="plain",
        markers=("train.txt", "valid.txt", "test.txt"),
        required=("train.txt", "valid.txt", "test.txt"),
        read=read_plain,
    ),
)
