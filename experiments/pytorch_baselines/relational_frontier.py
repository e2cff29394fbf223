"""Relational message passing in PyTorch as fast as we can, where few of the entities are reached.

The same model and training as in `relational_published`. What makes it fast:

- the host finds the nodes of all layers in one go, without sorting (`relational_expansion`);
- attention is one number per node and relation, from narrow rows;
- incoming messages are summed by ``torch.embedding_bag`` with attention as weights, the relations'
  part of them by one product with the sums of weights by node and relation; no edge has a wide row;
- backwards, the gradients that a pair's edges bring are summed first, by one such call, and all
  else is done once per pair, in order;
- nodes go through layer and gate in blocks, backwards with their inputs computed again, so that
  little memory is needed and hardly any is asked anew of the system, which costs more than the
  arithmetic; a new node has no state, and half of the gate is left out for it;
- the log-loss sums over nodes, since all other entities score 0;
- what is elementwise is compiled, together with the products of a block.

Tried and slower: products of ``torch.sparse`` CSR matrices, gathered rows with ``index_add``,
larger blocks, and nothing compiled.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from experiments.pytorch_baselines.common import sums_of_rows
from experiments.pytorch_baselines.relational_blocks import (
    BlockBatch,
    BlockLayer,
    Cutter,
    Incoming,
    Pairs,
)
from experiments.pytorch_baselines.relational_expansion import Adjacency
from experiments.pytorch_baselines.relational_parts import (
    GATE,
    Parameters,
    TrainedParameters,
    filtered_ranks,
    of_layer,
    update,
)
from experiments.pytorch_baselines.relational_work import (
    RankingOutcome,
    RankingWork,
    RelationalOutcome,
    RelationalWork,
)

_UPDATE = ("message", *GATE)


class FrontierTrainer:
    """Trains and ranks on the nodes that are reached."""

    def __init__(
        self,
        work: RelationalWork,
        compiled: bool = True,
        block_size: int = 2048,
        device: str = "cpu",
    ) -> None:
        """Sorts the edges; parts of a step are compiled at their first use.

        Args:
            work: what to train.
            compiled: whether ``torch.compile`` compiles.
            block_size: nodes in a block; an accelerator wants all in one.
            device: where to train.
        """
        self._work = work
        self._device = device
        self._adjacency = Adjacency(work.edges, work.num_entities)
        self._cut = Cutter(block_size, work.edge_kinds, device)
        self._passes = _Passes(work, compiled, device)

    def train(self) -> RelationalOutcome:
        """Trains from the initial parameters; the first call takes long where it compiles."""
        work = self._work
        parameters = TrainedParameters(work, self._device)
        batches = list(zip(work.heads, work.relations, work.tails, strict=True))
        with torch.no_grad():
            start = time.perf_counter()
            losses = [self._step(parameters, *batch) for batch in batches]
            seconds = time.perf_counter() - start
        return RelationalOutcome(seconds / len(batches), np.array(losses), parameters.arrays())

    def rank(self, queries: RankingWork) -> RankingOutcome:
        """Scores all entities with the initial parameters, and ranks the answers."""
        work = self._work
        values = TrainedParameters(work, self._device).values
        with torch.no_grad():
            start = time.perf_counter()
            expansion = self._adjacency.expand(queries.heads, work.num_layers)
            batch = self._cut(expansion, queries.relations)
            states = self._passes.forward(values, batch).states[-1]
            scores = torch.zeros(len(queries.heads), work.num_entities, device=self._device)
            scores[batch.queries, batch.entities] = states @ values["score"]
            ranks = filtered_ranks(scores, queries)
            seconds = time.perf_counter() - start
        return RankingOutcome(seconds, scores.cpu().numpy(), ranks)

    def _step(
        self,
        parameters: TrainedParameters,
        heads: np.ndarray,
        relations: np.ndarray,
        tails: np.ndarray,
    ) -> float:
        """One step of Adam on a batch of queries; returns its loss."""
        expansion = self._adjacency.expand(heads, self._work.num_layers)
        batch = self._cut(expansion, relations)
        forward = self._passes.forward(parameters.values, batch)
        answers = torch.from_numpy(expansion.nodes_of(tails)).to(self._device)
        loss, for_scores = _log_loss(
            forward.states[-1] @ parameters.values["score"],
            batch.queries,
            answers,
            self._work.num_entities,
        )
        self._passes.backward(parameters, batch, forward, for_scores)
        parameters.step()
        return float(loss)


def _log_loss(
    scores: Tensor, queries: Tensor, answers: Tensor, num_entities: int
) -> tuple[Tensor, Tensor]:
    """The log-loss of scores [n] of nodes, all other entities scoring 0, and its gradient [n].

    Args:
        scores: float32[n].
        queries: int32[n], in 0..B-1.
        answers: int64[B], the node of each answer, or -1.
        num_entities: N.
    """
    size, owners = len(answers), queries.long()
    missing = num_entities - torch.bincount(owners, minlength=size)
    largest = torch.where(missing > 0, 0.0, -torch.inf)
    largest.scatter_reduce_(0, owners, scores, "amax")
    powers = torch.exp(scores - largest[owners])
    totals = torch.where(missing > 0, missing * torch.exp(-largest), 0.0)
    totals.index_add_(0, owners, powers)
    found = answers[answers >= 0]
    loss = (torch.log(totals) + largest).sum() - scores[found].sum()
    gradient = powers.div_(totals[owners])
    gradient[found] -= 1.0
    return loss, gradient


class _Attention(NamedTuple):
    """A layer's attention.

    Attributes:
        of_source: float32[sources, A], the source's part of the inner values.
        of_code: float32[B * (2R + 1), A], the part of query and relation, with the bias.
        weights: float32[pairs].
    """

    of_source: Tensor
    of_code: Tensor
    weights: Tensor


class _Forward(NamedTuple):
    """States float32[nodes, D] before the first layer and after each, and each attention."""

    states: list[Tensor]
    attention: list[_Attention]


class _Passes:
    """Forward and backward through all layers, with memory that is used again."""

    def __init__(self, work: RelationalWork, compiled: bool, device: str) -> None:
        self._buffers = _Buffers(work.width, device)
        self._activation = work.activation

        def prepare(part: Callable[..., Any]) -> Callable[..., Any]:
            return torch.compile(part, fullgraph=True) if compiled else part

        self._attend = prepare(_attend)
        self._attend_gradients = prepare(_attend_gradients)
        self._update = prepare(_update_into)
        self._update_gradients = prepare(_update_gradients)

    def forward(self, parameters: Parameters, batch: BlockBatch) -> _Forward:
        """Runs all layers."""
        states = [self._buffers.take("states 0", batch.layers[0].num_sources).zero_()]
        attention = []
        for index, layer in enumerate(batch.layers):
            own = of_layer(parameters, index)
            attention.append(self._attention(own, states[-1], batch, layer))
            after = self._buffers.take(f"states {index + 1}", layer.num_nodes)
            for block in layer.incoming:
                sums, _ = _sum_messages(own, states[-1], attention[-1].weights, block)
                self._update(
                    after[block.rows],
                    _only(own, _UPDATE),
                    sums,
                    _before(states[-1], block),
                    self._activation,
                )
            states.append(after)
        return _Forward(states, attention)

    def _attention(
        self, own: Parameters, states: Tensor, batch: BlockBatch, layer: BlockLayer
    ) -> _Attention:
        relation = own["relation"]
        of_query = relation[batch.relations] @ own["attention_query"] + own["attention_bias"]
        of_code = (of_query[:, None] + relation @ own["attention_relation"]).flatten(0, 1)
        of_source = states @ own["attention_source"]
        weights = self._attend(
            of_source,
            of_code,
            own["attention_out"],
            own["attention_out_bias"],
            batch.pairs.part(slice(layer.num_pairs)),
        )
        return _Attention(of_source, of_code, weights)

    def backward(
        self,
        parameters: TrainedParameters,
        batch: BlockBatch,
        forward: _Forward,
        for_scores: Tensor,
    ) -> None:
        """Adds the gradients of all parameters, from those of the scores [n]."""
        score = parameters.values["score"]
        parameters.gradients["score"].add_(forward.states[-1].T @ for_scores)

        def at_end(rows: slice) -> Tensor:
            return for_scores[rows, None] * score

        for_states: _GradientOf = at_end
        for index in reversed(range(len(batch.layers))):
            before = _LayerBefore(
                of_layer(parameters.values, index),
                of_layer(parameters.gradients, index),
                batch.layers[index],
                forward.states[index],
                forward.attention[index],
            )
            # Two in turn: one is read where the other is written.
            for_before = self._buffers.take(f"for states {index % 2}", len(before.states))
            for_sums = self._update_backward(before, for_states, for_before)
            for_code = self._attention_backward(before, batch.pairs, for_sums, for_before)
            _add_code_gradients(before.own, before.gradients, batch.relations, for_code)
            for_states = for_before.__getitem__

    def _update_backward(
        self, before: "_LayerBefore", for_states: "_GradientOf", for_before: Tensor
    ) -> Tensor:
        """The gradients of the sums of messages; writes those of the states before the gate."""
        own = _only(before.own, _UPDATE)
        for_sums = self._buffers.take("for sums", before.layer.num_nodes)
        for block in before.layer.incoming:
            sums, by_relation = _sum_messages(
                before.own, before.states, before.attention.weights, block
            )
            previous = _before(before.states, block)
            for_block, for_previous, for_own = self._update_gradients(
                own, sums, previous, for_states(block.rows), self._activation
            )
            for_sums[block.rows] = for_block
            if previous is not None:
                for_before[block.rows] = for_previous
            before.gradients["relation"].addmm_(by_relation.T, for_block)
            for name in _UPDATE:
                before.gradients[name].add_(for_own[name])
        return for_sums

    def _attention_backward(
        self, before: "_LayerBefore", all_pairs: Pairs, for_sums: Tensor, for_before: Tensor
    ) -> Tensor:
        """The gradients of `_Attention.of_code`; adds those of the states in the messages."""
        own, gradients, layer, states, (of_source, of_code, all_weights) = before
        for_code = torch.zeros_like(of_code)
        for block in layer.outgoing:
            summed = sums_of_rows(for_sums, block.tails, block.edge_offsets)
            pairs, weights = all_pairs.part(block.pairs), all_weights[block.pairs]
            for_logit, inner, for_inner = self._attend_gradients(
                summed, states, own, of_source, of_code, weights, pairs
            )
            for_source = sums_of_rows(for_inner, block.positions, block.pair_offsets)
            mine = for_before[block.rows]
            mine.add_(sums_of_rows(summed, block.positions, block.pair_offsets, weights))
            mine.addmm_(for_source, own["attention_source"].T)
            for_code.index_add_(0, pairs.codes, for_inner)
            gradients["attention_source"].addmm_(states[block.rows].T, for_source)
            gradients["attention_out"].addmv_(inner.T, for_logit)
            gradients["attention_out_bias"].add_(for_logit.sum())
        return for_code


# The gradients of some rows of states.
_GradientOf = Callable[[slice], Tensor]


class _LayerBefore(NamedTuple):
    """A layer's parameters, their gradients, its blocks, and what it starts from."""

    own: Parameters
    gradients: Parameters
    layer: BlockLayer
    states: Tensor
    attention: _Attention


def _sum_messages(
    own: Parameters, states: Tensor, weights: Tensor, block: Incoming
) -> tuple[Tensor, Tensor]:
    """The sums of messages float32[rows, D], and those of weights by relation [rows, 2R + 1]."""
    relation = own["relation"]
    mine = weights.index_select(0, block.pairs)
    count = len(block.offsets) - 1
    by_relation = mine.new_zeros(count * len(relation)).index_add_(0, block.cells, mine)
    by_relation = by_relation.view(count, -1)
    return sums_of_rows(states, block.sources, block.offsets, mine).addmm_(by_relation, relation), (
        by_relation
    )


def _before(states: Tensor, block: Incoming) -> Tensor | None:
    """The block's states before; None: it has none yet."""
    return states[block.rows] if block.rows.stop <= len(states) else None


def _only(parameters: Parameters, names: tuple[str, ...]) -> Parameters:
    return {name: parameters[name] for name in names}


def _attend(of_source: Tensor, of_code: Tensor, out: Tensor, bias: Tensor, pairs: Pairs) -> Tensor:
    """The attention float32[p] of pairs."""
    inner = torch.relu(of_source[pairs.sources] + of_code[pairs.codes])
    return torch.sigmoid((inner * out).sum(1) + bias)


def _attend_gradients(
    summed: Tensor,
    states: Tensor,
    own: Parameters,
    of_source: Tensor,
    of_code: Tensor,
    weights: Tensor,
    pairs: Pairs,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the logits [p], the rectified inner values [p, A], and the inner's gradients.

    Args:
        summed: float32[p, D], the gradients of all sums that a pair's message went into.
        states: float32[sources, D].
        own: the layer's parameters.
        of_source: as in `_Attention`.
        of_code: as in `_Attention`.
        weights: float32[p], the attention.
        pairs: the pairs p.
    """
    message = states[pairs.sources] + own["relation"][pairs.relations]
    for_logit = (summed * message).sum(1) * weights * (1.0 - weights)
    inner = torch.relu(of_source[pairs.sources] + of_code[pairs.codes])
    return for_logit, inner, torch.where(inner > 0, for_logit[:, None] * own["attention_out"], 0.0)


def _add_code_gradients(
    own: Parameters, gradients: Parameters, asked: Tensor, for_code: Tensor
) -> None:
    """Adds what the attention's part of query and relation [B * (2R + 1), A] brings."""
    relation = own["relation"]
    for_both = for_code.view(len(asked), len(relation), -1)
    for_relation, for_query = for_both.sum(0), for_both.sum(1)
    gradients["attention_relation"].addmm_(relation.T, for_relation)
    gradients["attention_query"].addmm_(relation[asked].T, for_query)
    gradients["attention_bias"].add_(for_query.sum(0))
    gradients["relation"].addmm_(for_relation, own["attention_relation"].T)
    gradients["relation"].index_add_(0, asked, for_query @ own["attention_query"].T)


def _update_into(
    states: Tensor,
    parameters: Parameters,
    sums: Tensor,
    previous: Tensor | None,
    activation: str,
) -> None:
    """Writes what `update` returns."""
    states.copy_(update(parameters, sums, previous, activation))


def _update_gradients(
    parameters: Parameters,
    sums: Tensor,
    previous: Tensor | None,
    upstream: Tensor,
    activation: str,
) -> tuple[Tensor, Tensor | None, Parameters]:
    """Gradients of `update` in sums, previous states and parameters, from those of its states."""

    def total(sums: Tensor, previous: Tensor | None, parameters: Parameters) -> Tensor:
        return (update(parameters, sums, previous, activation) * upstream).sum()

    if previous is None:
        for_sums, for_parameters = torch.func.grad(total, (0, 2))(sums, None, parameters)
        return for_sums, None, for_parameters
    return torch.func.grad(total, (0, 1, 2))(sums, previous, parameters)


class _Buffers:
    """Tables of D columns by name, kept from step to step."""

    def __init__(self, width: int, device: str) -> None:
        self._width = width
        self._device = device
        self._tables: dict[str, Tensor] = {}

    def take(self, name: str, rows: int) -> Tensor:
        """A table of so many rows, with anything in it."""
        table = self._tables.get(name)
        if table is None or len(table) < rows:
            table = torch.empty(rows + rows // 4, self._width, device=self._device)
            self._tables[name] = table
        return table[:rows]
