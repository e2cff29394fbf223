"""The second graph of an inductive pair: entities of its own, the relations of the first.

A model that knows relations only can be trained on one graph and asked about another. Such pairs
(Teru, Denis and Hamilton, "Inductive Relation Prediction by Subgraph Reasoning", ICML 2020) are
folders X and X_ind. Relations agree by name: the second folder may list them in another order, list
some of them, or have no list at all, as several published pairs do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from kapl_jax.data.checks import check_graph
from kapl_jax.data.formats import LISTS, read_openke
from kapl_jax.data.knowledge_graph import KnowledgeGraph, graph_of
from kapl_jax.data.misspelling import quote_unknown
from kapl_jax.data.named_triples import list_of_names, read_named_splits
from kapl_jax.data.parsed_graph import Names, ParsedGraph, Split
from kapl_jax.data.text import line_error, quote
from kapl_jax.data.unseen import settle_unseen
from kapl_jax.errors import UserError

# In place of a file where relations are declared: it would be one of the first graph.
_ELSEWHERE = Path("relations of the first graph")


def load_inductive_graph(
    folder: Path, first: KnowledgeGraph, unseen: str = "error"
) -> KnowledgeGraph:
    """Read and check the second graph of the pair that `first` begins.

    Args:
        folder: An existing folder, in any format that `formats` knows.
        first: The graph whose relations, and numbers of relations, are used.
        unseen: What becomes of entities that its training triples lack, see `unseen`.

    Returns:
        The graph. Its `relations` are those of `first`; its entities have their own numbers.

    Raises:
        UserError: A file cannot be used, or a triple has a relation that `first` lacks. The message
            is one line with file and line.
    """
    is_openke = (folder / "train2id.txt").exists()
    parsed = read_openke(folder) if is_openke else _read_folder_of_names(folder)
    checked = check_graph(settle_unseen(_with_relations_of(first, parsed), unseen))
    # Relations are trained on the first graph; which of them this one never uses does not matter.
    warnings = [line for line in checked.warnings if not line.startswith(f"{_ELSEWHERE}:")]
    shared = _shared_entities(checked.graph.entities, first)
    return graph_of(folder.name, replace(checked, warnings=(*warnings, *shared)))


def _read_folder_of_names(folder: Path) -> ParsedGraph:
    """Read a listed or a plain folder; its triples alone say what its relations are."""
    lists = (folder / entities for entities, _ in LISTS.values())
    listed = next((path for path in lists if path.exists()), None)
    splits = read_named_splits(folder, with_facts=listed is not None)
    in_training, _ = splits.names_in_training()
    entities = in_training if listed is None else list_of_names(listed, "entity")
    return splits.graph(entities, _names_from_elsewhere(splits.relations()))


def _names_from_elsewhere(names: Iterable[str]) -> Names:
    distinct = tuple(names)
    return Names(distinct, _ELSEWHERE, np.zeros(len(distinct), dtype=np.int64))


def _with_relations_of(first: KnowledgeGraph, graph: ParsedGraph) -> ParsedGraph:
    """Give relations the numbers that `first` has for their names."""
    relations = _names_from_elsewhere(first.relations)
    numbers = [relations.ids.get(name, -1) for name in graph.relations.names]
    to_first = np.array(numbers, dtype=np.int32)

    def translated(split: Split) -> Split:
        head, relation, tail = split.triples.T
        unknown = np.flatnonzero(to_first[relation] < 0)
        if unknown.size:
            name = graph.relations.names[relation[unknown[0]]]
            raise _relations_differ(split.path, split.lines[unknown[0]], name, first)
        return replace(split, triples=np.stack([head, to_first[relation], tail], axis=1))

    return replace(
        graph,
        relations=relations,
        facts=graph.facts and translated(graph.facts),
        train=translated(graph.train),
        valid=translated(graph.valid),
        test=translated(graph.test),
    )


def _relations_differ(path: Path, line: int, name: str, first: KnowledgeGraph) -> UserError:
    told = quote_unknown(name, first.relations)
    found = (
        f"relation {told}, which {first.name} lacks, in an inductive pair whose relations differ"
    )
    return line_error(path, line, found, f"one of the {first.num_relations} of {first.name}")


def _shared_entities(entities: Names, first: KnowledgeGraph) -> Iterator[str]:
    """Yield at most one line: entities of the second graph that the first has too, by name."""
    shared = [entities.ids[name] for name in set(first.entities).intersection(entities.names)]
    if shared:
        example = min(shared, key=lambda number: entities.lines[number])
        yield (
            f"{entities.path}:{entities.lines[example]}: {len(shared)} of {len(entities.names)} "
            f"entities are in {first.name} too; the first is {quote(entities.names[example])}"
        )
