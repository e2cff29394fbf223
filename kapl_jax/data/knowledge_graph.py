"""A knowledge graph as the rest of the package sees it, and how to load one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from kapl_jax.data.checks import Checked, check_graph
from kapl_jax.data.formats import read_graph
from kapl_jax.data.locate import locate
from kapl_jax.data.unseen import settle_unseen


@dataclass(frozen=True, eq=False)
class KnowledgeGraph:
    """Entities, relations and the triples of each split, `int32[., 3]`: head, relation, tail.

    Attributes:
        name: The registered name of the data set or the name of its folder.
        entities: Names; the position is the id.
        relations: Names; the position is the id.
        facts: Edges that are known beside the training queries; often none, `int32[0, 3]`.
        train: Training triples.
        valid: Validation triples.
        test: Test triples.
        warnings: What was odd in the files, one line for each kind of oddity and file, with the
            number of cases and the location of the first.
    """

    name: str
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    facts: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def num_entities(self) -> int:
        """The number of entities."""
        return len(self.entities)

    @property
    def num_relations(self) -> int:
        """The number of relations."""
        return len(self.relations)

    @property
    def training_triples(self) -> np.ndarray:
        """All that a completion model may learn from: facts, then train, `int32[T, 3]`."""
        return np.concatenate([self.facts, self.train])

    def describe(self) -> dict[str, Any]:
        """Return name, counts and a digest of the names and triples, in JSON's types.

        The digest tells graphs apart that have the same counts, as two splits of one graph do:
        their entities may be numbered differently, and a model knows entities by number only.
        """
        digest = hashlib.sha256(repr((self.entities, self.relations)).encode())
        for triples in (self.training_triples, self.valid, self.test):
            digest.update(triples.tobytes())
        return {
            "name": self.name,
            "entities": self.num_entities,
            "relations": self.num_relations,
            "train": len(self.training_triples),
            "valid": len(self.valid),
            "test": len(self.test),
            "digest": digest.hexdigest()[:16],
        }


def load_knowledge_graph(
    dataset: str, data_dir: str | None = None, unseen: str = "error"
) -> KnowledgeGraph:
    """Find, read and check a knowledge graph.

    Args:
        dataset: A registered name or the path of a folder, see `locate.locate`.
        data_dir: A folder of data sets, where a registered name is looked for first.
        unseen: What becomes of entities that only validation or test has, see `unseen`.

    Returns:
        The graph. Triples that come twice in one split are in it once.

    Raises:
        UserError: The folder is not there or of no known format, a file cannot be used, or a
            download failed. The message is one line with file and line.
    """
    name, folder = locate(dataset, data_dir)
    return graph_of(name, check_graph(settle_unseen(read_graph(folder), unseen)))


def graph_of(name: str, checked: Checked) -> KnowledgeGraph:
    """Return a checked graph under a name, with the warnings of the check."""
    graph = checked.graph
    facts = np.zeros((0, 3), dtype=np.int32) if graph.facts is None else graph.facts.triples
    return KnowledgeGraph(
        name=name,
        entities=graph.entities.names,
        relations=graph.relations.names,
        facts=facts,
        train=graph.train.triples,
        valid=graph.valid.triples,
        test=graph.test.triples,
        warnings=checked.warnings,
    )
