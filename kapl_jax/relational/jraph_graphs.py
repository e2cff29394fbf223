"""Relational graphs to and from Jraph's `GraphsTuple`, the form that other tools of JAX use.

The only module that imports Jraph.
"""

from __future__ import annotations

from typing import Any

import jraph
import numpy as np

from kapl_jax.relational.graph import RelationalGraph, relational_graph, with_inverses


def to_jraph(graph: RelationalGraph, nodes: Any = None) -> jraph.GraphsTuple:
    """Return a graph with all its edges, inverse and identity edges included.

    Args:
        graph: The graph.
        nodes: Features of the entities, arrays with N first, or None.

    Returns:
        One graph: senders and receivers are int32[E], edges the relations int32[E], in the order of
        `graph`.
    """
    return jraph.GraphsTuple(
        nodes=nodes,
        edges=graph.relations,
        senders=graph.sources,
        receivers=graph.targets,
        globals=None,
        n_node=np.array([graph.num_entities], np.int32),
        n_edge=np.array([graph.num_edges], np.int32),
    )


def from_jraph(graphs: jraph.GraphsTuple, num_relations: int) -> RelationalGraph:
    """Return the graph that messages travel on; its relations are the tuple's edges, int[E].

    Where all relations are those of data, 0..R - 1, inverse and identity edges are made. Where
    there are others, r + R for inverses and 2R for identities, edges are kept as they are, and must
    be complete. A batch of graphs is one graph of parts without edges between them; padding, as of
    `jraph.pad_with_graphs`, is to be removed before.

    Args:
        graphs: The edges; features of nodes and graphs are not looked at.
        num_relations: R, of the data.

    Raises:
        ValueError: Relations or ends of edges are no whole numbers in range, or inverse or
            identity edges are missing or too many.
    """
    num_entities = int(np.sum(graphs.n_node))
    columns = [
        _whole_numbers("senders", graphs.senders, num_entities),
        _whole_numbers("edges", graphs.edges, 2 * num_relations + 1),
        _whole_numbers("receivers", graphs.receivers, num_entities),
    ]
    if len({len(column) for column in columns}) > 1 or len(columns[0]) != np.sum(graphs.n_edge):
        raise ValueError(
            f"found {len(columns[0])} senders, {len(columns[2])} receivers, {len(columns[1])} "
            f"relations as edges, and {np.sum(graphs.n_edge)} as n_edge: expected equally many"
        )
    edges = np.stack(columns, axis=1).astype(np.int32)
    forward = edges[edges[:, 1] < num_relations]
    made = relational_graph(forward, num_entities, num_relations)
    if len(forward) == len(edges):
        return made
    edges = edges[np.argsort(edges[:, 0], kind="stable")]
    _check_complete(edges, forward, num_entities, num_relations)
    sources, relations, targets = np.ascontiguousarray(edges.T)
    return RelationalGraph(num_entities, num_relations, sources, relations, targets, made.offsets)


def _whole_numbers(name: str, values: Any, bound: int) -> np.ndarray:
    found = np.asarray(values)
    if found.ndim != 1 or not np.issubdtype(found.dtype, np.integer):
        raise ValueError(
            f"{name}: found {found.dtype}{list(found.shape)}, expected whole numbers, one per edge"
        )
    if found.size and not (found.min() >= 0 and found.max() < bound):
        raise ValueError(f"{name}: found {found.min()} to {found.max()}, expected 0 to {bound - 1}")
    return found


def _check_complete(
    edges: np.ndarray, forward: np.ndarray, num_entities: int, num_relations: int
) -> None:
    itself = np.arange(num_entities)
    identities = np.stack([itself, np.full_like(itself, 2 * num_relations), itself], axis=1)
    expected = np.concatenate([with_inverses(forward, num_relations), identities])

    def in_order(rows: np.ndarray) -> np.ndarray:
        return rows[np.lexsort(rows.T)]

    if not np.array_equal(in_order(edges), in_order(expected)):
        raise ValueError(
            f"edges: found relations above {num_relations - 1}, so expected the inverse r + "
            f"{num_relations} of each edge and one edge of relation {2 * num_relations} from each "
            "node to itself, and no others"
        )
