"""Relational message passing in PyTorch as fast as we can, where most entities are reached.

The same model and training as in `relational_published`. What makes it fast:

- each query has a state of every entity, so that nothing is found on the host and all shapes are
  constant; what is not reached is masked;
- attention is one number per query, entity and relation by which edges leave it;
- sparse matrices of zeros and ones, the same for all queries, which are their columns, bring it
  into one dense matrix per query, from entities and relations to entities;
- messages are then one batched product of dense matrices;
- in the first layer only the queries' own entities send, whose states are zero: the edges that
  leave them are rows of a table;
- a step's losses and gradients are one compiled program each.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.pytorch_baselines.common import sums_of_rows
from experiments.pytorch_baselines.relational_parts import (
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


class DenseTrainer:
    """Trains and ranks on all entities; for graphs with few of them."""

    def __init__(self, work: RelationalWork, compiled: bool = True, device: str = "cpu") -> None:
        """Makes the graph's matrices; programs are compiled at their first use.

        Args:
            work: what to train.
            compiled: whether ``torch.compile`` compiles.
            device: where to train.
        """
        self._work = work
        self._device = device
        self._graph = _Graph(work, device)
        self._scores: Callable[..., Tensor] = self._all_scores
        self._loss: Callable[..., Tensor] = self._log_loss
        if compiled:
            self._scores, self._loss = (
                torch.compile(part, fullgraph=True, dynamic=False)
                for part in (self._all_scores, self._log_loss)
            )

    def train(self) -> RelationalOutcome:
        """Trains from the initial parameters; the first call takes long where it compiles."""
        work = self._work
        parameters = TrainedParameters(work, self._device)
        for tensor in parameters.values.values():
            tensor.requires_grad_()
        batches = list(zip(work.heads, work.relations, work.tails, strict=True))
        start = time.perf_counter()
        losses = [self._step(parameters, *batch) for batch in batches]
        seconds = time.perf_counter() - start
        return RelationalOutcome(seconds / len(batches), np.array(losses), parameters.arrays())

    def rank(self, queries: RankingWork) -> RankingOutcome:
        """Scores all entities with the initial parameters, and ranks the answers."""
        values = TrainedParameters(self._work, self._device).values
        with torch.no_grad():
            start = time.perf_counter()
            scores = self._scores(
                values, self._tensor(queries.heads), self._tensor(queries.relations)
            )
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
        batch = (self._tensor(ids) for ids in (heads, relations, tails))
        loss = self._loss(parameters.values, *batch)
        loss.backward()
        parameters.step()
        return float(loss.detach())

    def _tensor(self, ids: np.ndarray) -> Tensor:
        return torch.tensor(ids, dtype=torch.int64, device=self._device)

    def _log_loss(
        self, parameters: Parameters, heads: Tensor, relations: Tensor, tails: Tensor
    ) -> Tensor:
        """The loss, from int64[B] each."""
        scores = self._all_scores(parameters, heads, relations)
        return (torch.logsumexp(scores, 1) - scores.gather(1, tails[:, None])[:, 0]).sum()

    def _all_scores(self, parameters: Parameters, heads: Tensor, relations: Tensor) -> Tensor:
        """The scores float32[B, N]."""
        graph, activation = self._graph, self._work.activation
        own = of_layer(parameters, 0)
        reached = graph.neighbours[heads]
        states = update(own, _first_sums(own, graph, heads, relations), None, activation)
        states = states * reached[..., None]
        for index in range(1, self._work.num_layers):
            own = of_layer(parameters, index)
            sums = _sums(own, graph, states, reached, relations)
            # Every entity has its identity edge: what was reached stays reached.
            reached = (reached @ graph.neighbours > 0).to(states.dtype)
            states = update(own, sums, states, activation) * reached[..., None]
        return states @ parameters["score"]


def _first_sums(own: Parameters, graph: "_Graph", heads: Tensor, relations: Tensor) -> Tensor:
    """The sums of messages [B, N, D] where only the queries' entities send, with states of 0."""
    inner = torch.relu(_of_code(own, relations))
    weights = torch.sigmoid(inner @ own["attention_out"] + own["attention_out_bias"])
    return torch.bmm(graph.first_counts[heads], weights.T[..., None] * own["relation"])


def _sums(
    own: Parameters, graph: "_Graph", states: Tensor, reached: Tensor, relations: Tensor
) -> Tensor:
    """The sums of messages [B, N, D] from states [B, N, D] and what is reached [B, N]."""
    batch, num_entities, _ = states.shape
    of_source = (states @ own["attention_source"]).transpose(0, 1)
    rows = torch.cat([of_source, _of_code(own, relations)])
    inner = torch.relu(graph.to_pairs(rows.flatten(1)).view(-1, batch, rows.shape[-1]))
    logits = (inner * own["attention_out"]).sum(-1) + own["attention_out_bias"]
    weights = torch.sigmoid(logits) * reached.T[graph.pair_sources]
    mixing = graph.to_cells(weights).view(num_entities, -1, batch).permute(2, 0, 1).contiguous()
    relation = own["relation"].expand(batch, *own["relation"].shape)
    return torch.bmm(mixing, torch.cat([states, relation], 1))


def _of_code(own: Parameters, relations: Tensor) -> Tensor:
    """Attention's part of relation and query, with the bias: [2R + 1, B, A]."""
    relation = own["relation"]
    of_query = relation[relations] @ own["attention_query"] + own["attention_bias"]
    return (relation @ own["attention_relation"])[:, None] + of_query


class _Graph:
    """The graph's matrices, K = 2R + 1.

    Attributes:
        neighbours: float32[N, N], 1 where an edge goes from row to column.
        first_counts: float32[N, N, K], edges from head to tail by relation.
        pair_sources: int64[P], the entity of each pair of entity and relation.
        to_pairs: from rows of entities and relations, [N + K, ...], to their sums, [P, ...].
        to_cells: from pairs, [P, ...], to sums at tail and head, or tail and relation,
            [N * (N + K), ...].
    """

    def __init__(self, work: RelationalWork, device: str) -> None:
        size, kinds = work.num_entities, work.edge_kinds
        head, relation, tail = work.edges.astype(np.int64).T
        codes, pairs = np.unique(head * kinds + relation, return_inverse=True)
        sources, pair_relations = codes // kinds, codes % kinds
        count = len(codes)
        rows = np.arange(count)
        columns = np.concatenate([head, size + relation])
        counts = np.zeros((size, size, kinds), np.float32)
        np.add.at(counts, (head, tail, relation), 1.0)
        self.first_counts = torch.from_numpy(counts).to(device)
        self.neighbours = (self.first_counts.sum(-1) > 0).float()
        self.pair_sources = torch.from_numpy(sources).to(device)
        self.to_pairs = _ZeroOne(
            np.tile(rows, 2), np.concatenate([sources, size + pair_relations]),
            (count, size + kinds), device,
        )  # fmt: skip
        self.to_cells = _ZeroOne(
            np.tile(tail, 2) * (size + kinds) + columns, np.tile(pairs, 2),
            (size * (size + kinds), count), device,
        )  # fmt: skip


class _ZeroOne:
    """A sparse matrix of ones (added where they meet), and its transpose."""

    def __init__(
        self, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int], device: str
    ) -> None:
        self._arrays = [
            torch.from_numpy(array.astype(np.int32)).to(device)
            for first, second, size in ((rows, columns, shape[0]), (columns, rows, shape[1]))
            for array in _compressed(first, second, size)
        ]

    def __call__(self, table: Tensor) -> Tensor:
        """The product with a table [columns, width]."""
        product: Tensor = _Product.apply(table, *self._arrays)
        return product


def _compressed(rows: np.ndarray, columns: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns of each row, one after the other, and where each row's start."""
    order = np.argsort(rows, kind="stable")
    return columns[order], np.searchsorted(rows[order], np.arange(size + 1))


class _Product(torch.autograd.Function):
    """Sums of rows of a table, and backwards the sums by the transpose."""

    @staticmethod
    def forward(
        ctx: Any, table: Tensor, columns: Tensor, offsets: Tensor, rows: Tensor, starts: Tensor
    ) -> Tensor:
        ctx.save_for_backward(rows, starts)
        return sums_of_rows(table, columns, offsets)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        rows, starts = ctx.saved_tensors
        return sums_of_rows(upstream[0].contiguous(), rows, starts), None, None, None, None
