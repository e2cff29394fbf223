"""What becomes of names that validation and test have, and training lacks.

Published splits hold some: WN18RR without its lists has about 400 such triples. Programs number
such entities (`keep`) or leave their triples out (`drop`), which gives different results; so one
has to say which. A relation that is never trained cannot be ranked, and is never kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kapl_jax.data.parsed_graph import Names, ParsedGraph, Split
from kapl_jax.data.text import line_error, quote

UNSEEN_ENTITIES = ("error", "keep", "drop")
_ENDS, _RELATION = [0, 2], [1]


def settle_unseen(graph: ParsedGraph, unseen: str) -> ParsedGraph:
    """Refuse, keep or drop what training lacks.

    Args:
        graph: A graph as read.
        unseen: `error` refuses names that neither a list nor training has. `keep` leaves such
            entities in the graph, behind the others. `drop` leaves out the triples of validation
            and test with an entity that training lacks, listed or not, or with an unknown relation.

    Returns:
        The graph, in which all relations are declared, with a warning for what was kept or dropped.

    Raises:
        UserError: There are such names and they are to be refused, or a split is left empty.
    """
    if unseen == "drop":
        return _without_unseen(graph)
    _refuse_undeclared(graph, graph.relations, _RELATION, "relation", "--unseen_entities=drop")
    if unseen == "error":
        lists = "list all in entities.txt and relations.txt, or --unseen_entities=keep or drop"
        _refuse_undeclared(graph, graph.entities, _ENDS, "entity", lists)
    undeclared = graph.entities.undeclared
    if not undeclared:
        return graph
    marks = _marks(graph, _ENDS, _undeclared(graph.entities))
    noun = "entity" if undeclared == 1 else "entities"
    return _with_warning(graph, marks, f"with {undeclared} {noun} that training lacks, kept")


def _refuse_undeclared(
    graph: ParsedGraph, names: Names, columns: list[int], kind: str, remedy: str
) -> None:
    if not names.undeclared:
        return
    is_undeclared = _undeclared(names)
    marks = _marks(graph, columns, is_undeclared)
    split, row = _first(graph, marks)
    used = split.triples[row, columns]
    name = names.names[used[is_undeclared[used]][0]]
    found = f"unknown {kind} {quote(name)}, one of {names.undeclared} in {_triples(marks)}"
    expected = f"one of the {names.num_declared} in {names.path.name}; {remedy}"
    raise line_error(split.path, int(split.lines[row]), found, expected)


def _without_unseen(graph: ParsedGraph) -> ParsedGraph:
    training = [graph.train] if graph.facts is None else [graph.facts, graph.train]
    is_unseen = np.ones(len(graph.entities.names), dtype=bool)
    for split in training:
        is_unseen[split.triples[:, _ENDS]] = False
    unknown_relation = _marks(graph, _RELATION, _undeclared(graph.relations))
    unseen_entity = _marks(graph, _ENDS, is_unseen)
    marks = [first | second for first, second in zip(unknown_relation, unseen_entity, strict=True)]
    for split, marked in zip((graph.valid, graph.test), marks, strict=True):
        if marked.all():
            found = "a name that training lacks, as in every triple here"
            raise line_error(split.path, int(split.lines[0]), found, "some without")
    if not any(marked.any() for marked in marks):
        return graph
    return replace(
        _with_warning(graph, marks, "with names that training lacks, dropped"),
        entities=_declared(graph.entities),
        relations=_declared(graph.relations),
        valid=graph.valid.where(~marks[0]),
        test=graph.test.where(~marks[1]),
    )


def _undeclared(names: Names) -> np.ndarray:
    """Mark the names that are not declared, `bool[N]`."""
    return np.arange(len(names.names)) >= names.num_declared


def _declared(names: Names) -> Names:
    count = names.num_declared
    return Names(names.names[:count], names.path, names.lines[:count])


def _marks(graph: ParsedGraph, columns: list[int], marked: np.ndarray) -> list[np.ndarray]:
    """Mark the triples of validation and of test with a marked name, `bool[T]` each."""
    return [marked[split.triples[:, columns]].any(axis=1) for split in (graph.valid, graph.test)]


def _first(graph: ParsedGraph, marks: list[np.ndarray]) -> tuple[Split, int]:
    split, marked = (graph.valid, marks[0]) if marks[0].any() else (graph.test, marks[1])
    return split, int(np.argmax(marked))


def _triples(marks: list[np.ndarray]) -> str:
    count = sum(int(marked.sum()) for marked in marks)
    return f"{count} {'triple' if count == 1 else 'triples'} of validation and test"


def _with_warning(graph: ParsedGraph, marks: list[np.ndarray], what: str) -> ParsedGraph:
    split, row = _first(graph, marks)
    example = graph.quoted(split.triples[row])
    warning = f"{split.path}:{split.lines[row]}: {_triples(marks)} {what}; the first is {example}"
    return replace(graph, warnings=(*graph.warnings, warning))
