"""Random graphs, and writers of the three folder formats; the obvious way round of the readers."""

from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

Triple = tuple[int, int, int]
SPLITS = ("facts", "train", "valid", "test")


@dataclass
class Graph:
    """Names, and triples of ids by split."""

    entities: list[str]
    relations: list[str]
    splits: dict[str, list[Triple]] = field(default_factory=dict)

    def named(self, split: str) -> list[tuple[str, str, str]]:
        return [
            (self.entities[h], self.relations[r], self.entities[t])
            for h, r, t in self.splits[split]
        ]


def small_graph() -> Graph:
    """Three entities and two relations, all of them in training, no oddity."""
    splits = {
        "facts": [(2, 1, 0)],
        "train": [(0, 0, 1), (1, 1, 2)],
        "valid": [(0, 0, 2)],
        "test": [(2, 0, 1)],
    }
    return Graph(["ann", "bob", "cid"], ["likes", "knows"], splits)


# No separators, no control or unpaired surrogate characters: what a name in a file cannot hold.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8
).filter(lambda name: name.strip() == name)


@st.composite
def graphs(draw) -> Graph:
    entities = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    relations = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    triple = st.tuples(
        st.integers(0, len(entities) - 1),
        st.integers(0, len(relations) - 1),
        st.integers(0, len(entities) - 1),
    )
    triples = st.lists(triple, min_size=1, max_size=8, unique=True)
    return Graph(entities, relations, {split: draw(triples) for split in SPLITS})


def write(path: Path, lines: list[str], end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + end for line in lines).encode())


def write_plain(folder: Path, graph: Graph, separator: str = "\t", end: str = "\n") -> Path:
    for split in ("train", "valid", "test"):
        write(folder / f"{split}.txt", [separator.join(row) for row in graph.named(split)], end)
    return folder


def write_listed(folder: Path, graph: Graph, ids: bool = False, facts: bool = True) -> Path:
    for file, names in (("entities", graph.entities), ("relations", graph.relations)):
        lines = [f"{name}\t{i}" if ids else name for i, name in enumerate(names)]
        write(folder / f"{file}.txt", lines)
    for split in SPLITS if facts else SPLITS[1:]:
        write(folder / f"{split}.txt", ["\t".join(row) for row in graph.named(split)])
    return folder


def write_openke(folder: Path, graph: Graph, end: str = "\n") -> Path:
    for file, names in (("entity", graph.entities), ("relation", graph.relations)):
        lines = [f"{name}\t{i}" for i, name in enumerate(names)]
        write(folder / f"{file}2id.txt", [str(len(lines)), *lines], end)
    for split in ("train", "valid", "test"):
        lines = [f"{h} {t} {r}" for h, r, t in graph.splits[split]]
        write(folder / f"{split}2id.txt", [str(len(lines)), *lines], end)
    return folder
