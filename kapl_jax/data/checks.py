"""What is odd in a graph but does not stop it from being used: counted, with the first location."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kapl_jax.data.parsed_graph import Names, ParsedGraph, Split
from kapl_jax.data.text import quote


@dataclass(frozen=True)
class Checked:
    """A graph whose splits hold no triple twice, and one line for each kind of oddity found."""

    graph: ParsedGraph
    warnings: tuple[str, ...]


def check_graph(graph: ParsedGraph) -> Checked:
    """Drop duplicates within each split, and warn of them, of leaks and of what is never trained.

    A triple of training that is in validation or test too stays in both; so does one that is in
    `facts` and `train`.
    """
    distinct = replace(
        graph,
        facts=graph.facts and _distinct(graph.facts, graph),
        train=_distinct(graph.train, graph),
        valid=_distinct(graph.valid, graph),
        test=_distinct(graph.test, graph),
    )
    odd = (*_order_of_columns(graph), *_duplicates(graph), *_overlaps(distinct))
    found = (*graph.warnings, *odd, *_untrained(distinct))
    return Checked(distinct, tuple(filter(None, found)))


def _order_of_columns(graph: ParsedGraph) -> Iterator[str]:
    """Warn where names suggest that the relation does not stand between head and tail.

    It is then in the first or the last column, whose names no other column has, while the other end
    is taken for relations, and shares names with the first.
    """
    relations = set(graph.relations.names)
    names = np.array(graph.entities.names, dtype=object)
    heads, tails = (set(names[np.unique(graph.train.triples[:, column])]) for column in (0, 2))
    for ends, others, order in (
        (heads, tails, "head tail relation"),
        (tails, heads, "relation head tail"),
    ):
        shared = len(relations & ends)
        if 2 * shared > min(len(relations), len(ends)) and others.isdisjoint(relations | ends):
            yield (
                f"{graph.train.path}:{graph.train.lines[0]}: {shared} names of the second column, "
                f"the relation, are entities too: if the columns are {order}, expected is head "
                "relation tail"
            )


def _keys(triples: np.ndarray, graph: ParsedGraph) -> np.ndarray:
    """Give each triple of `int32[T, 3]` one number, `int64[T]`, equal for equal triples."""
    head, relation, tail = triples.astype(np.int64).T
    return (head * len(graph.relations.names) + relation) * len(graph.entities.names) + tail


def _repeated(split: Split, graph: ParsedGraph) -> np.ndarray:
    """Mark every occurrence of a triple but its first, `bool[T]`."""
    _, firsts = np.unique(_keys(split.triples, graph), return_index=True)
    repeated = np.ones(len(split.triples), dtype=bool)
    repeated[firsts] = False
    return repeated


def _distinct(split: Split, graph: ParsedGraph) -> Split:
    return split.where(~_repeated(split, graph))


def _duplicates(graph: ParsedGraph) -> Iterator[str | None]:
    for split in (graph.facts, graph.train, graph.valid, graph.test):
        if split is not None:
            yield _warn(split, _repeated(split, graph), "duplicate, dropped", graph)


def _overlaps(graph: ParsedGraph) -> Iterator[str | None]:
    training = _keys(graph.train.triples, graph)
    if graph.facts is not None:
        facts = _keys(graph.facts.triples, graph)
        shared = np.isin(training, facts, assume_unique=True)
        yield _warn(graph.train, shared, "also in facts, kept", graph)
        training = np.concatenate([facts, training[~shared]])
    for split in (graph.valid, graph.test):
        shared = np.isin(_keys(split.triples, graph), training, assume_unique=True)
        yield _warn(split, shared, "also in training, kept", graph)


def _untrained(graph: ParsedGraph) -> Iterator[str | None]:
    parts = [graph.train] if graph.facts is None else [graph.facts, graph.train]
    training = np.concatenate([split.triples for split in parts])
    yield _warn_of_names(graph.entities, training[:, [0, 2]], "entities")
    yield _warn_of_names(graph.relations, training[:, 1], "relations")


def _warn(split: Split, marked: np.ndarray, what: str, graph: ParsedGraph) -> str | None:
    """Count the marked triples and quote the first; None where there is none."""
    if not marked.any():
        return None
    first = int(np.argmax(marked))
    example = graph.quoted(split.triples[first])
    count = int(marked.sum())
    noun = "triple" if count == 1 else "triples"
    return f"{split.path}:{split.lines[first]}: {count} {noun} {what}; the first is {example}"


def _warn_of_names(names: Names, used: np.ndarray, what: str) -> str | None:
    """Count the names whose id is not in `used` and quote the first; None where all are."""
    is_used = np.zeros(len(names.names), dtype=bool)
    is_used[used] = True
    # What no file declares was settled, and warned of, before; see `unseen`.
    unused = np.flatnonzero(~is_used[: names.num_declared])
    if not unused.size:
        return None
    first = unused[np.argmin(names.lines[unused])]
    return (
        f"{names.path}:{names.lines[first]}: {len(unused)} of {len(names.names)} {what} never "
        f"occur in training; the first is {quote(names.names[first])}"
    )
