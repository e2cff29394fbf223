"""Data for reasoning over a graph: one graph, or an inductive pair of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kapl_jax.data.inductive import load_inductive_graph
from kapl_jax.data.knowledge_graph import KnowledgeGraph, load_knowledge_graph
from kapl_jax.data.locate import locate
from kapl_jax.data.registry import INDUCTIVE_SUFFIX, find_dataset, pair_of
from kapl_jax.data.text import line_error
from kapl_jax.errors import UserError

# Of the second graph of a pair; the first of them is recorded of no graph alone.
_COUNTED = ("entities", "train", "valid", "test")


def recorded_pair(described: object) -> bool | None:
    """Tell whether a recorded description is of a pair; None where nothing is recorded."""
    if not isinstance(described, Mapping) or not described:
        return None
    return f"inductive_{_COUNTED[0]}" in described


@dataclass(frozen=True, eq=False)
class ReasoningData:
    """A graph to train and validate on, and for an inductive pair a second one to test on.

    Attributes:
        name: The registered name of the data or the name of the (first) folder.
        graph: The graph that is trained on, with its splits as they are in the folder.
        inductive: The second graph of a pair, None where there is none. Its entities are numbered
            on their own; its relations are those of `graph`, with the same numbers.
        warnings: What was odd in the files of both, one line each.
    """

    name: str
    graph: KnowledgeGraph
    inductive: KnowledgeGraph | None
    warnings: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return name, counts and a digest, in JSON's types.

        A graph alone is described as `KnowledgeGraph.describe` does it. For an inductive pair there
        are also `inductive_entities`, `inductive_train`, `inductive_valid` and `inductive_test`,
        the counts of the second graph, and the digest is of both.
        """
        first = self.graph.describe()
        if self.inductive is None:
            return first
        second = self.inductive.describe()
        counts = {f"inductive_{key}": second[key] for key in _COUNTED}
        digest = hashlib.sha256(f"{first['digest']} {second['digest']}".encode()).hexdigest()[:16]
        return {**first, **counts, "digest": digest}


def load_reasoning_data(
    dataset: str, data_dir: str | None = None, unseen: str = "error", pair: bool | None = None
) -> ReasoningData:
    """Find, read and check a graph, and the second one where it is the first of an inductive pair.

    A folder X begins a pair where a folder X_ind lies beside it. X_ind on its own is a graph like
    any other, with its own list of relations.

    Args:
        dataset: A registered name or the path of a folder, see `locate.locate`.
        data_dir: A folder of data sets, where a registered name is looked for first.
        unseen: What becomes of entities that only validation or test has, see `unseen`.
        pair: Whether the folder begins a pair; None for as it is found.

    Raises:
        UserError: A folder is not there or of no known format, a file cannot be used or holds no
            triple, the second graph has a relation that the first lacks, a registered pair lies
            there by half, or a download failed. The message is one line with file and line.
    """
    name, folder = locate(dataset, data_dir)
    _refuse_files_without_triples(folder)
    graph = load_knowledge_graph(dataset, data_dir, unseen)
    second = None if pair is False else _second_folder(dataset, folder, pair is True)
    if second is None:
        return ReasoningData(name, graph, None, graph.warnings)
    _refuse_files_without_triples(second)
    inductive = load_inductive_graph(second, graph, unseen)
    return ReasoningData(name, graph, inductive, (*graph.warnings, *inductive.warnings))


def _second_folder(dataset: str, folder: Path, needed: bool) -> Path | None:
    """Return the folder that lies beside with `_ind` appended, None where there is none."""
    # Not Path.resolve: the folder beside a symbolic link is meant, not the one beside its target.
    second = Path(os.path.abspath(folder) + INDUCTIVE_SUFFIX)
    if second.is_dir():
        return second
    registered = find_dataset(dataset)
    if registered is not None and len(pair_of(registered)) > 1:
        raise UserError(
            f"{folder}: found no folder {second.name} beside it, expected the second graph of the "
            f"inductive pair {registered.name}"
        )
    if needed:
        raise UserError(
            f"{folder}: found no folder {second.name} beside it, expected the second graph of the "
            "inductive pair that the run trained on"
        )
    return None


def _refuse_files_without_triples(folder: Path) -> None:
    """Refuse a graph without edges, or without triples to validate or to test on.

    Readers of text refuse blank files as well, but do not know that triples are missing.
    """
    ending = "2id.txt" if (folder / "train2id.txt").exists() else ".txt"
    for split in ("facts", "train", "valid", "test"):
        path = folder / f"{split}{ending}"
        if path.is_file() and _is_blank(path):
            raise line_error(path, 1, "an empty file", "at least one triple")


def _is_blank(path: Path) -> bool:
    with path.open("rb") as lines:
        return not any(map(bytes.strip, lines))
