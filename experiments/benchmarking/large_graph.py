"""A graph of millions of edges, made up, and what it takes to evaluate AdaProp on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarking.memory import peak_bytes
from kapl_jax.evaluation.answer_ranking import Answers, AskedQueries, asked_queries, in_order
from kapl_jax.evaluation.partial_ranking import ranks_among_listed
from kapl_jax.relational.adaptive import AdaptiveGraph, Limits, adaptive_graph, limits_for
from kapl_jax.relational.adaptive_layers import propagate
from kapl_jax.relational.choices import Choices, Offered
from kapl_jax.relational.graph import RelationalGraph, relational_graph, with_inverses
from kapl_jax.relational.layers import keep_all
from kapl_jax.relational.parameters import Parameters, RelationalModel

_DEFAULTS = Choices(*np.zeros(5, np.int32))


@dataclass(frozen=True)
class LargeGraphSettings:
    """The graph, the model and the queries.

    Attributes:
        num_triples: Of the graph.
        num_entities: N.
        num_relations: R.
        num_queries: Triples that are not in the graph; both directions are asked.
        num_layers: L.
        hidden_dim: D.
        attention_dim: A.
        most_edges: Most edges of a query in a layer.
        seed: Of the graph and the parameters.
    """

    num_triples: int = 10_000_000
    num_entities: int = 1_500_000
    num_relations: int = 200
    num_queries: int = 64
    num_layers: int = 5
    hidden_dim: int = 32
    attention_dim: int = 5
    most_edges: int = 1 << 15
    seed: int = 0


@dataclass(frozen=True)
class LargeGraphCase:
    """How an evaluation went.

    Attributes:
        batch_size: Queries in a batch.
        top_k: Most nodes that a layer adds to a query.
        seconds_per_query: Of wall time, compiled before.
        temporary_bytes: Of the compiled program.
        peak_bytes: The most memory until then, the graph and the cases before included.
        nodes: Kept by a query at the end, on average.
        left_out: The share of edges of kept nodes above the limit.
        mrr: Of the answers; the model is not trained, and the graph has no pattern.
    """

    batch_size: int
    top_k: int
    seconds_per_query: float
    temporary_bytes: int
    peak_bytes: int
    nodes: float
    left_out: float
    mrr: float


@dataclass(frozen=True)
class LargeGraphReport:
    """What it takes to evaluate AdaProp on a large graph.

    Attributes:
        settings: The graph, the model and the queries.
        num_edges: Edges with inverses, and identity edges, which are not stored.
        largest_degree: The most edges of an entity.
        graph_bytes: Of the graph's arrays on the device.
        seconds_to_build: To make up the graph and sort its edges, on the host.
        peak_bytes_to_build: The most memory until then.
        cases: One for each batch size and top k.
    """

    settings: LargeGraphSettings
    num_edges: int
    largest_degree: int
    graph_bytes: int
    seconds_to_build: float
    peak_bytes_to_build: int
    cases: list[LargeGraphCase]


def large_graph_report(
    settings: LargeGraphSettings, cases: Sequence[tuple[int, int]]
) -> LargeGraphReport:
    """Make the graph, and evaluate the queries once for each case (batch size, top k)."""
    begin = time.perf_counter()
    graph, queries, known = _made_up(settings)
    on_device = jax.block_until_ready(adaptive_graph(graph))
    seconds, peak = time.perf_counter() - begin, peak_bytes()
    parameters = _parameters(settings)
    measured = []
    for batch_size, top_k in cases:
        limits = limits_for(graph, settings.num_layers, top_k, settings.most_edges)
        asked = asked_queries(queries, known, settings.num_entities, batch_size)
        measured.append(_measure(parameters, on_device, asked, limits))
    return LargeGraphReport(
        settings=settings,
        num_edges=graph.num_edges,
        largest_degree=int(graph.degrees.max()),
        graph_bytes=sum(leaf.nbytes for leaf in jax.tree.leaves(on_device)),
        seconds_to_build=seconds,
        peak_bytes_to_build=peak,
        cases=measured,
    )


def random_triples(
    num_triples: int, num_entities: int, num_relations: int, seed: int, skew: float = 0.6
) -> np.ndarray:
    """Return int32[num_triples, 3] of which some may be equal.

    The share of the i-th most frequent entity or relation falls with i to the power of `skew`, so
    that the number of entities with more than d edges falls with d to the power of 1 / `skew`.
    Heads, relations and tails are independent.

    Args:
        num_triples: How many.
        num_entities: N.
        num_relations: R.
        seed: Of all that is random.
        skew: From 0, where all are alike, to below 1.
    """
    rng = np.random.default_rng(seed)
    names = rng.permutation(num_entities).astype(np.int32)

    def draw(count: int) -> np.ndarray:
        places = count * rng.random(num_triples) ** (1 / (1 - skew))
        return np.minimum(places, count - 1).astype(np.int32)

    return np.stack(
        [names[draw(num_entities)], draw(num_relations), names[draw(num_entities)]], axis=1
    )


def evaluate(
    parameters: Parameters,
    graph: AdaptiveGraph,
    heads: jax.Array,
    relations: jax.Array,
    answers: Answers,
    limits: Limits,
) -> dict[str, jax.Array]:
    """Rank answers, one batch of queries after the other, with nothing as large as all scores.

    Args:
        parameters: Of a model with sums, ReLU and the gate, the first of what is offered.
        graph: The graph.
        heads: int32[S, B].
        relations: int32[S, B].
        answers: With a leading axis S.
        limits: How much a query may reach.

    Returns:
        By name `ranks` float32[S, K], `nodes` int32[S, B] kept at the end, and `edges` and
        `left_out` int32[S, B] used and not used, over all layers, identity edges not counted.
    """

    def batch(step: tuple[jax.Array, jax.Array, Answers]) -> dict[str, jax.Array]:
        heads, relations, answers = step
        offered = Offered(attention_dims=(parameters["attention_out"].shape[-1],))
        reached = propagate(
            parameters, offered, _DEFAULTS, graph, heads, relations, limits, keep_all
        )
        size = graph.num_entities
        used = [
            jnp.sum(edges.targets[:, edges.rows.shape[1] :] < size, 1) for edges in reached.steps
        ]
        return {
            "ranks": ranks_among_listed(reached.scores, reached.entities, size, answers),
            "nodes": jnp.sum(reached.entities < size, axis=1),
            "edges": sum(used, start=jnp.zeros_like(heads)),
            "left_out": jnp.sum(reached.left_out, axis=0),
        }

    return jax.lax.map(batch, (heads, relations, answers))


def _made_up(settings: LargeGraphSettings) -> tuple[RelationalGraph, np.ndarray, np.ndarray]:
    """Return the graph, the queries with their answers, and what else answers them."""
    size, width = settings.num_entities, settings.num_relations
    total = settings.num_triples + settings.num_queries
    triples = random_triples(total, size, width, settings.seed)
    graph = relational_graph(triples[: settings.num_triples], size, width)
    queries = with_inverses(triples[settings.num_triples :], width)
    asked = np.isin(graph.sources, queries[:, 0])
    known = (graph.sources[asked], graph.relations[asked], graph.targets[asked])
    return graph, queries, np.concatenate([queries, np.stack(known, axis=1)])


def _parameters(settings: LargeGraphSettings) -> Parameters:
    layers, width = settings.num_layers, settings.hidden_dim
    model = RelationalModel(
        settings.num_relations, layers, width, settings.attention_dim, samples=True
    )
    parameters: Parameters = model.init_with_output(jax.random.key(settings.seed))[0]
    return parameters


def _measure(
    parameters: Parameters, graph: AdaptiveGraph, asked: AskedQueries, limits: Limits
) -> LargeGraphCase:
    data = jax.device_put((asked.heads, asked.relations, asked.answers))
    program = jax.jit(evaluate, static_argnames="limits")
    compiled: Any = program.lower(parameters, graph, *data, limits=limits).compile()
    jax.block_until_ready(compiled(parameters, graph, *data))
    begin = time.perf_counter()
    found = jax.block_until_ready(compiled(parameters, graph, *data))
    seconds = time.perf_counter() - begin
    left_out, used = (float(np.sum(np.asarray(found[name]))) for name in ("left_out", "edges"))
    return LargeGraphCase(
        batch_size=asked.heads.shape[1],
        top_k=limits.top_k,
        seconds_per_query=seconds / asked.heads.size,
        temporary_bytes=compiled.memory_analysis().temp_size_in_bytes,
        peak_bytes=peak_bytes(),
        nodes=float(np.mean(found["nodes"])),
        left_out=left_out / max(left_out + used, 1.0),
        mrr=float(np.mean(1.0 / in_order(asked, np.asarray(found["ranks"])))),
    )
