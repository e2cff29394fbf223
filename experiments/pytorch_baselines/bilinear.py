"""Training bilinear structures in PyTorch: one structure at a time, and batched.

Everything is as in `kapl_jax.methods.autoblm`: multiclass log-loss in both directions summed over
the batch, an L2 penalty on the batch's relations, Adagrad, entities projected onto the unit ball.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import torch
from torch import Tensor

_EPSILON = 1e-10


@dataclass(frozen=True)
class BilinearWork:
    """What is to be trained.

    Attributes:
        triples: int[T, 3], columns head, relation, tail.
        structures: int8[P, K, K] with entries in -K..K.
        entities: float32[P, N, d], the parameters to start from.
        relations: float32[P, R, d], the parameters to start from.
        orders: int[epochs, T], the order of the triples in each epoch.
        batch_size: B; the last batch of an epoch is smaller where B does not divide T.
        learning_rate: of Adagrad.
        regularisation: factor of the L2 penalty.
        unit_ball: whether the entities are projected onto the unit ball after each step.
    """

    triples: np.ndarray
    structures: np.ndarray
    entities: np.ndarray
    relations: np.ndarray
    orders: np.ndarray
    batch_size: int = 256
    learning_rate: float = 0.2
    regularisation: float = 1e-3
    unit_ball: bool = True

    def batches(self) -> list[list[Tensor]]:
        """The batches int64[B, 3] of each epoch."""
        triples = torch.as_tensor(self.triples, dtype=torch.int64)
        return [list(triples[order].split(self.batch_size)) for order in torch.tensor(self.orders)]


@dataclass(frozen=True)
class BilinearOutcome:
    """How long training took, and where it came to.

    Attributes:
        seconds: of wall time.
        losses: float64[epochs, P], summed over each epoch.
    """

    seconds: float
    losses: np.ndarray


LogLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


def log_loss(target: Tensor, tail_scores: Tensor, head_scores: Tensor) -> Tensor:
    """Multiclass log-loss of both directions, in the published code's steps.

    Args:
        target: float32[B], the scores of the triples.
        tail_scores: float32[B, N].
        head_scores: float32[B, N].

    Returns:
        float32 scalar, summed over the batch.
    """
    return torch.sum(-2 * target + _log_sum_exp(tail_scores) + _log_sum_exp(head_scores))


def log_loss_with_broadcast(target: Tensor, tail_scores: Tensor, head_scores: Tensor) -> Tensor:
    """What the published code computes instead of ``log_loss``, for timing only.

    There the maxima have shape [B, 1] and all else [B], so that every term is spread over a
    [B, B] matrix before it is summed, and the gradient is about B times as large.
    """
    largest = [scores.max(1, keepdim=True)[0] for scores in (tail_scores, head_scores)]
    logs = [
        torch.log(torch.sum(torch.exp(scores - top), 1))
        for scores, top in zip((tail_scores, head_scores), largest, strict=True)
    ]
    return torch.sum(-2 * target + largest[0] + logs[0] + largest[1] + logs[1])


def train_one_by_one(work: BilinearWork, loss: LogLoss = log_loss) -> BilinearOutcome:
    """Trains one structure after the other, the way the published AutoSF+ code does it.

    A Python loop over the cells of the structure combines the blocks, autograd differentiates, and
    ``torch.optim.Adagrad`` updates.

    Args:
        work: what to train.
        loss: ``log_loss``, or ``log_loss_with_broadcast`` to time the published code's slip.

    Returns:
        The time, and the losses of log-loss and penalty.
    """
    batches = work.batches()
    members = zip(work.structures, work.entities, work.relations, strict=True)
    start = time.perf_counter()
    losses = [_train_alone(work, loss, batches, *member) for member in members]
    return BilinearOutcome(time.perf_counter() - start, np.array(losses).T)


def _train_alone(
    work: BilinearWork,
    loss: LogLoss,
    batches: list[list[Tensor]],
    structure: np.ndarray,
    entities: np.ndarray,
    relations: np.ndarray,
) -> list[float]:
    """Trains one structure; returns its loss in each epoch."""
    tables = [
        torch.nn.Embedding.from_pretrained(torch.tensor(rows), freeze=False)
        for rows in (entities, relations)
    ]
    parameters = [table.weight for table in tables]
    optimizer = torch.optim.Adagrad(parameters, lr=work.learning_rate, eps=_EPSILON)

    def step(triples: Tensor) -> Tensor:
        optimizer.zero_grad()
        head, tail = tables[0](triples[:, 0]), tables[0](triples[:, 2])
        relation = tables[1](triples[:, 1])
        value = loss(
            torch.sum(_combine_cells(structure, head, relation) * tail, 1),
            _combine_cells(structure, head, relation) @ parameters[0].T,
            _combine_cells(structure.T, tail, relation) @ parameters[0].T,
        )
        value = value + work.regularisation * torch.sum(relation**2)
        value.backward()
        optimizer.step()
        if work.unit_ball:
            _project_in_place(parameters[0])
        return value.detach()

    return [float(sum(step(batch) for batch in epoch)) for epoch in batches]


def _combine_cells(structure: np.ndarray, source: Tensor, relation: Tensor) -> Tensor:
    """The query float32[B, d] of a structure, cell by cell."""
    num_blocks = len(structure)
    sources = torch.chunk(source, num_blocks, dim=-1)
    relations = torch.chunk(relation, num_blocks, dim=-1)
    query = [torch.zeros(sources[0].size()) for _ in range(num_blocks)]
    for i, j in zip(*np.nonzero(structure), strict=True):
        cell = int(structure[i, j])
        query[j] += float(np.sign(cell)) * sources[i] * relations[abs(cell) - 1]
    return torch.cat(query, 1)


def _log_sum_exp(scores: Tensor) -> Tensor:
    largest = scores.max(1, keepdim=True)[0]
    return largest[:, 0] + torch.log(torch.sum(torch.exp(scores - largest), 1))


def _project_in_place(entities: Tensor) -> None:
    rows = entities.data.clone()
    norms = torch.norm(rows, p=2, dim=1, keepdim=True)
    norms[norms < 1] = 1
    entities.data.copy_(rows / norms)


# From entities [C, N, d], relations [C, R, d], signs [C, K, K, K], triples [B, 3] and the factor of
# the penalty to losses [C] and the gradients of entities and relations.
Gradients = Callable[[Tensor, Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor, Tensor]]


class BatchedTrainer:
    """Trains chunks of structures at once, each chunk's step compiled to fused kernels."""

    def __init__(
        self,
        work: BilinearWork,
        chunk_size: int,
        gradients: Gradients | None = None,
        compiled: bool = True,
    ) -> None:
        """Prepares the step; it is compiled at its first use.

        Args:
            work: what to train.
            chunk_size: C, how many structures at once; divides their number.
            gradients: ``gradients_by_hand`` (the fastest, and the default) or
                ``gradients_by_vmap``.
            compiled: whether ``torch.compile`` compiles the step.
        """
        self._work = work
        self._chunk_size = chunk_size
        self._gradients = gradients or gradients_by_hand
        self._batches = work.batches()
        self._advance: Callable[..., tuple[Tensor, ...]] = self._step
        if compiled:
            self._advance = torch.compile(self._step, fullgraph=True, dynamic=False)

    def train(self) -> BilinearOutcome:
        """Trains from the initial parameters; the first call takes long where it compiles.

        Returns:
            The time, and the losses of log-loss and penalty.
        """
        chunks = list(_chunks(self._work, self._chunk_size))
        with torch.no_grad():
            start = time.perf_counter()
            losses = [self._train_chunk(state, signs) for state, signs in chunks]
            seconds = time.perf_counter() - start
        return BilinearOutcome(seconds, torch.cat(losses, 1).double().numpy())

    def _train_chunk(self, state: tuple[Tensor, ...], signs: Tensor) -> Tensor:
        """Trains one chunk; returns losses [epochs, C]."""
        totals = []
        for epoch in self._batches:
            losses = []
            for batch in epoch:
                *updated, loss = self._advance(state, signs, batch)
                state = tuple(updated)
                losses.append(loss)
            totals.append(torch.stack(losses).sum(0))
        return torch.stack(totals)

    def _step(
        self, state: tuple[Tensor, ...], signs: Tensor, triples: Tensor
    ) -> tuple[Tensor, ...]:
        entities, relations, *_ = state
        losses, *gradients = self._gradients(
            entities, relations, signs, triples, self._work.regularisation
        )
        return (*_adagrad(self._work, state, gradients), losses)


def _chunks(work: BilinearWork, size: int) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
    """The initial state and the signs of each chunk of structures."""
    structures = torch.tensor(work.structures, dtype=torch.float32)[..., None]
    blocks = torch.arange(1, structures.shape[1] + 1)
    signs = torch.where(structures.abs() == blocks, structures.sign(), 0.0)
    for first in range(0, len(signs), size):
        members = slice(first, first + size)
        tables = torch.tensor(work.entities[members]), torch.tensor(work.relations[members])
        yield (*tables, *(torch.zeros_like(table) for table in tables)), signs[members]


def _adagrad(
    work: BilinearWork, state: tuple[Tensor, ...], gradients: list[Tensor]
) -> tuple[Tensor, ...]:
    """One step of Adagrad and the projection, on parameters and their sums of squares."""
    sums = [total + g * g for total, g in zip(state[2:], gradients, strict=True)]
    entities, relations = (
        table - work.learning_rate * g / (total.sqrt() + _EPSILON)
        for table, g, total in zip(state[:2], gradients, sums, strict=True)
    )
    if work.unit_ball:
        entities = entities / entities.norm(dim=-1, keepdim=True).clamp(min=1.0)
    return entities, relations, *sums


def gradients_by_vmap(
    entities: Tensor, relations: Tensor, signs: Tensor, triples: Tensor, regularisation: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``Gradients`` by ``torch.func``: the loss of one structure, differentiated and vmapped."""

    def loss(entities: Tensor, relations: Tensor, signs: Tensor) -> Tensor:
        batch, num_blocks = len(triples), len(signs)
        rows = entities[triples[:, ::2].T].reshape(2, batch, num_blocks, -1)
        relation = relations[triples[:, 1]].reshape(batch, num_blocks, -1)
        mixed = torch.einsum("ijk,bkm->bijm", signs, relation)
        queries = torch.stack(
            [(mixed * rows[0][:, :, None]).sum(1), (mixed * rows[1][:, None]).sum(2)]
        )
        scores = queries.reshape(2 * batch, -1) @ entities.T
        targets = torch.cat([triples[:, 2], triples[:, 0]])
        errors = torch.logsumexp(scores, 1) - scores.gather(1, targets[:, None])[:, 0]
        return errors.sum() + regularisation * (relation * relation).sum()

    differentiated = torch.func.grad_and_value(loss, argnums=(0, 1))
    tables, losses = torch.func.vmap(differentiated)(entities, relations, signs)
    return losses, *tables


def gradients_by_hand(
    entities: Tensor, relations: Tensor, signs: Tensor, triples: Tensor, regularisation: float
) -> tuple[Tensor, Tensor, Tensor]:
    """``Gradients`` written out, batched by hand, with nothing stored that can be fused away."""
    chunk, batch, num_blocks = len(entities), len(triples), signs.shape[1]
    cut = (chunk, batch, num_blocks, -1)
    whole = (chunk, batch, -1)
    sources = torch.cat([triples[:, 0], triples[:, 2]])
    rows = entities[:, sources]
    head, tail = (half.reshape(cut) for half in rows.split(batch, 1))
    relation = relations[:, triples[:, 1]].reshape(cut)
    both = signs, signs.transpose(1, 2)

    queries = torch.cat(
        [_combine(s, x, relation).reshape(whole) for s, x in zip(both, (head, tail), strict=True)],
        1,
    )
    errors, losses = _softmax_errors(
        torch.bmm(queries, entities.transpose(1, 2)), torch.cat([triples[:, 2], triples[:, 0]])
    )
    for_tails, for_heads = (
        half.reshape(cut) for half in torch.bmm(errors, entities).split(batch, 1)
    )
    for_rows = torch.cat(
        [
            _combine(both[1], for_tails, relation).reshape(whole),
            _combine(both[0], for_heads, relation).reshape(whole),
        ],
        1,
    )
    for_relation = (
        _combine_with_output(both[0], head, for_tails)
        + _combine_with_output(both[1], tail, for_heads)
        + 2 * regularisation * relation
    )
    return (
        losses + regularisation * (relation * relation).sum((1, 2, 3)),
        torch.bmm(errors.transpose(1, 2), queries).index_add(1, sources, for_rows),
        torch.zeros_like(relations).index_add(1, triples[:, 1], for_relation.reshape(whole)),
    )


def _mix(coefficients: Tensor, blocks: Tensor) -> Tensor:
    """``sum_k c_ck. b_cbk``: [C, K, J] and [C, B, K, m] to [C, B, J, m]."""
    return reduce(
        add,
        (coefficients[:, None, k, :, None] * blocks[:, :, k, None] for k in range(blocks.shape[2])),
    )


def _combine(signs: Tensor, source: Tensor, relation: Tensor) -> Tensor:
    """``out_j = sum_i source_i sum_k signs_ijk relation_k``, all blocks [C, B, K, m]."""
    return reduce(
        add,
        (
            _mix(signs[:, i].transpose(1, 2), relation) * source[:, :, i, None]
            for i in range(source.shape[2])
        ),
    )


def _combine_with_output(signs: Tensor, source: Tensor, output: Tensor) -> Tensor:
    """``out_k = sum_j output_j sum_i signs_ijk source_i``, all blocks [C, B, K, m]."""
    return reduce(
        add,
        (_mix(signs[:, :, j], source) * output[:, :, j, None] for j in range(output.shape[2])),
    )


def _softmax_errors(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients [C, Q, N] of the log-loss in the scores, and its sums [C]."""
    largest = scores.amax(2, keepdim=True)
    powers = torch.exp(scores - largest)
    totals = powers.sum(2, keepdim=True)
    is_target = torch.arange(scores.shape[2]) == targets[:, None]
    target = torch.where(is_target, scores, 0.0).sum(2, keepdim=True)
    errors = powers / totals - is_target.to(scores.dtype)
    return errors, (torch.log(totals) + largest - target).sum((1, 2))
