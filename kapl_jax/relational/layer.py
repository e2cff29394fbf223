"""A layer of message passing as a value, and what it asks of the edges that it runs over.

A *regime* (dense, frontier, AdaProp) says which edges those are and how they lie in memory; it is
the same for all layers. A layer says what happens on them; it is the same for all regimes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from kapl_jax.relational.parameters import Parameters

Query = Any
"""What B queries ask, a pytree of arrays with B first: for RED-GNN their relations, int[B]."""
Drop = Callable[[int, jax.Array], jax.Array]
"""`(layer, x) -> x` with some values set to zero."""


class Edges(Protocol):
    """The edges that messages of B queries travel in a layer.

    A *row* is a node as one query reaches it. Values of rows are float32[rows, K], of messages
    float32[messages, K], of edges float32[edges, K], where `rows`, `messages` and `edges` stand for
    one or two axes as the regime has them; some methods return what merely broadcasts to that.
    Several edges may carry one message.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The axes of messages."""
        ...

    @property
    def mean_log_degree(self) -> Any:
        """float32[], of the graph, see `RelationalGraph`."""
        ...

    def of_queries(self, values: jax.Array) -> jax.Array:
        """Return for each row that messages leave the value float32[B, K] of its query."""
        ...

    def at_heads(self, values: jax.Array) -> jax.Array:
        """Return values of rows that are zero but where queries begin: float32[B, K] there."""
        ...

    def of_sources(self, values: jax.Array, of_identities: jax.Array | None = None) -> jax.Array:
        """Return for each message the value of the row that it leaves.

        Args:
            values: float32[rows, K].
            of_identities: float32[rows, K], used instead for messages to where they come from.
        """
        ...

    def of_relations(self, table: jax.Array) -> jax.Array:
        """Return for each message the value float32[2R + 1, K] of its relation."""
        ...

    def of_query_relations(self, table: jax.Array) -> jax.Array:
        """Return for each message the value float32[B, 2R + 1, K] of its query and relation."""
        ...

    def arriving(self, messages: jax.Array) -> jax.Array:
        """Return for each edge the message that it carries; what is not present counts nowhere."""
        ...

    def sum(self, arriving: jax.Array) -> jax.Array:
        """Return the sums of edges' values at the rows that they reach."""
        ...

    def max(self, arriving: jax.Array) -> jax.Array:
        """Return the largest of edges' values at the rows that they reach, 0 where none arrives."""
        ...

    def squared_deviations(self, arriving: jax.Array, centers: jax.Array) -> jax.Array:
        """Return the sums of (value - center of the row reached)^2."""
        ...

    def counts(self) -> jax.Array:
        """Return how many messages reach each row, float32[rows, 1]."""
        ...


@dataclass(frozen=True)
class Layer:
    """What happens in a layer, as pure functions; L layers are alike but for their parameters.

    Attributes:
        attention: `(parameters, query, edges, states) -> float32[messages]`, what messages are
            multiplied with.
        message: `(parameters, query, edges, states) -> float32[messages, D]`.
        aggregation: `(edges, arriving) -> aggregated`, of messages float32[edges, D] a pytree of
            values of rows.
        update: `(parameters, aggregated, previous, drop) -> float32[n, D]`, the states after a
            layer: of n rows in one axis, of which the first m <= n had the states `previous`
            float32[m, D], the others zero. `drop` is dropout.
        start: `(parameters, query) -> float32[B, D]`, the states at which queries begin; elsewhere
            they begin at zero.
        readout: `(parameters, states) -> float32[rows]`, the scores of the last states.
        selection: `(parameters, aggregated) -> float32[rows]`, the logits of rows that are reached
            anew, for a regime that keeps the best of them.
        addend: None, or `parameters -> float32[2R + 1, D]` where all that is aggregated is linear
            in the sum of the messages, and those are states plus this value of the relation: a
            regime may then sum them by matrix products.
    """

    attention: Callable[[Parameters, Query, Edges, jax.Array], jax.Array]
    message: Callable[[Parameters, Query, Edges, jax.Array], jax.Array]
    aggregation: Callable[[Edges, jax.Array], Any]
    update: Callable[[Parameters, Any, jax.Array, Callable[[jax.Array], jax.Array]], jax.Array]
    start: Callable[[Parameters, Query], jax.Array]
    readout: Callable[[Parameters, jax.Array], jax.Array]
    selection: Callable[[Parameters, Any], jax.Array]
    addend: Callable[[Parameters], jax.Array] | None = None

    def gather(
        self,
        parameters: Parameters,
        query: Query,
        edges: Edges,
        states: jax.Array,
        alpha: jax.Array,
    ) -> Any:
        """Return what is aggregated of the messages with the attention float32[messages].

        Messages are computed again for the gradient, not kept.
        """

        @jax.checkpoint
        def gathered(parameters: Parameters, states: jax.Array, alpha: jax.Array) -> Any:
            messages = alpha[..., None] * self.message(parameters, query, edges, states)
            return self.aggregation(edges, edges.arriving(messages))

        return gathered(parameters, states, alpha)


def keep_all(layer: int, x: jax.Array) -> jax.Array:
    """Return x: no dropout, as in evaluation."""
    del layer
    return x


def dropping(key: jax.Array, rate: jax.Array) -> Drop:
    """Return dropout at a traced rate, rounded to 1/256: one random byte decides each value."""
    limit = jnp.round(rate * 256).astype(jnp.uint32)
    scale = 256.0 / (256.0 - limit.astype(jnp.float32))

    def drop(layer: int, x: jax.Array) -> jax.Array:
        noise = jax.random.bits(jax.random.fold_in(key, layer), x.shape, jnp.uint8)
        return jnp.where(noise.astype(limit.dtype) >= limit, x * scale, 0.0)

    return drop
