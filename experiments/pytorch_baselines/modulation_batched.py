"""Training modulated predictors in PyTorch as fast as we can: batches of users, of structures too.

The same model and training as in `modulation`, written for `torch.compile`. What makes it
fast:

- structures are a leading axis of all parameters, and users of a batch another;
- query items are cut into short blocks of one user each, so that little is padded although users
  differ much in how many they have, and modulation parameters are copied once per block;
- an operation that a structure leaves out gets a parameter that changes nothing, so that items pay
  for one clamp and one linear map, whatever the structure;
- what is the same for all items of a user goes through a layer's half of the inputs once;
- gradients and Adam are one compiled program, that changes parameters in place.
"""

import time
from collections.abc import Callable
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.pytorch_baselines.modulation import (
    BETAS,
    EPSILON,
    ModulationOutcome,
    ModulationWork,
    positive_scale,
)

Parameters = dict[str, Tensor]


class Batch(NamedTuple):
    """The users of one step.

    Attributes:
        users: int64[B].
        support_items: int64[B, S].
        support_ratings: float32[B, S].
        support_weights: float32[B, S], of a mean over the support set; 0 where there is nothing.
        owners: int64[T], the user 0..B-1 of each block.
        items: int64[T, L].
        ratings: float32[T, L].
        weights: float32[T, L], of each squared error in the loss; 0 where there is nothing.
    """

    users: Tensor
    support_items: Tensor
    support_ratings: Tensor
    support_weights: Tensor
    owners: Tensor
    items: Tensor
    ratings: Tensor
    weights: Tensor


# From parameters and structures [P, C, 4], population axis first, to gradients and losses [P].
Gradients = Callable[[Parameters, Tensor, Batch, tuple[float, float]], tuple[Parameters, Tensor]]


class BatchedTrainer:
    """Trains chunks of structures at once, each chunk's step compiled to one program."""

    def __init__(
        self,
        work: ModulationWork,
        chunk_size: int,
        gradients: "Gradients | None" = None,
        compiled: bool = True,
        block_length: int = 4,
        device: str = "cpu",
    ) -> None:
        """Prepares the step; it is compiled at its first use.

        Args:
            work: what to train.
            chunk_size: how many structures at once; divides their number.
            gradients: ``gradients_of_population`` (the default) or ``gradients_by_vmap``.
            compiled: whether ``torch.compile`` compiles the step.
            block_length: query items in a block.
            device: where to train.
        """
        self._work = work
        self._chunk_size = chunk_size
        self._gradients = gradients or gradients_of_population
        self._device = device
        self._batches = make_batches(work, block_length, device)
        self._advance: Callable[..., Tensor] = self._step
        if compiled:
            self._advance = torch.compile(self._step, fullgraph=True, dynamic=False)

    def train(self) -> ModulationOutcome:
        """Trains from the initial parameters; the first call takes long where it compiles."""
        size = self._chunk_size
        chunks = [slice(i, i + size) for i in range(0, len(self._work.structures), size)]
        states = [self._start(chunk) for chunk in chunks]
        with torch.no_grad():
            began = time.perf_counter()
            losses = [self._train_chunk(state, structures).cpu() for state, structures in states]
            seconds = time.perf_counter() - began
        parameters = {
            name: torch.cat([state[0][name] for state, _ in states]).cpu().numpy()
            for name in self._work.parameters
        }
        return ModulationOutcome(seconds, torch.cat(losses, 1).double().numpy(), parameters)

    def _start(self, members: slice) -> tuple[tuple[Parameters, Parameters, Parameters], Tensor]:
        """Parameters and Adam's moments of a chunk, and its structures."""
        parameters = {
            name: torch.tensor(array[members], device=self._device)
            for name, array in self._work.parameters.items()
        }
        first, second = (
            {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
            for _ in range(2)
        )
        structures = torch.tensor(self._work.structures[members], device=self._device)
        return (parameters, first, second), structures

    def _train_chunk(
        self, state: tuple[Parameters, Parameters, Parameters], structures: Tensor
    ) -> Tensor:
        """Trains one chunk in place; returns losses [epochs, C]."""
        count = torch.zeros((), device=self._device)
        epochs = []
        for batches in self._batches:
            losses = []
            for batch in batches:
                count = count + 1
                losses.append(self._advance(state, structures, count, batch))
            epochs.append(torch.stack(losses).mean(0))
        return torch.stack(epochs)

    def _step(
        self,
        state: tuple[Parameters, Parameters, Parameters],
        structures: Tensor,
        count: Tensor,
        batch: Batch,
    ) -> Tensor:
        gradients, losses = self._gradients(state[0], structures, batch, self._work.rating_range)
        _adam_in_place(state, gradients, count, self._work.learning_rate)
        return losses


def make_batches(work: ModulationWork, block_length: int, device: str) -> list[list[Batch]]:
    """The batches of each epoch, all of one shape, with query items in blocks."""
    epochs = work.batches()
    counts = work.query_mask.sum(1)
    needed = max(int((-(-counts[b] // block_length)).sum()) for epoch in epochs for b in epoch)
    support_counts = np.maximum(work.support_mask.sum(1, keepdims=True), 1)
    support_weights = (work.support_mask / support_counts).astype(np.float32)

    def batch(users: np.ndarray) -> Batch:
        arrays = (
            work.users[users].astype(np.int64),
            work.support_items[users].astype(np.int64),
            work.support_ratings[users],
            support_weights[users],
            *_query_blocks(work, users, needed, block_length),
        )
        return Batch(*(torch.tensor(array, device=device) for array in arrays))

    return [[batch(users) for users in epoch] for epoch in epochs]


def _query_blocks(
    work: ModulationWork, users: np.ndarray, num_blocks: int, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Owners, items, ratings and weights of the blocks of these users' query items."""
    owners = np.zeros(num_blocks, np.int64)
    items = np.zeros((num_blocks, length), np.int64)
    ratings = np.zeros((num_blocks, length), np.float32)
    weights = np.zeros((num_blocks, length), np.float32)
    block = 0
    for owner, user in enumerate(users):
        present = np.flatnonzero(work.query_mask[user])
        for first in range(0, len(present), length):
            columns = present[first : first + length]
            owners[block] = owner
            items[block, : len(columns)] = work.query_items[user, columns]
            ratings[block, : len(columns)] = work.query_ratings[user, columns]
            weights[block, : len(columns)] = 1.0 / (len(present) * len(users))
            block += 1
    return owners, items, ratings, weights


def gradients_of_population(
    parameters: Parameters, structures: Tensor, batch: Batch, rating_range: tuple[float, float]
) -> tuple[Parameters, Tensor]:
    """``Gradients`` of the sum of the structures' losses, which do not depend on each other."""

    def total(parameters: Parameters) -> tuple[Tensor, Tensor]:
        losses = population_losses(parameters, structures, batch, rating_range)
        return losses.sum(), losses

    gradients, losses = torch.func.grad(total, has_aux=True)(parameters)
    return gradients, losses


def gradients_by_vmap(
    parameters: Parameters, structures: Tensor, batch: Batch, rating_range: tuple[float, float]
) -> tuple[Parameters, Tensor]:
    """``Gradients`` of one structure's loss, mapped over the structures by ``torch.func``."""

    def alone(parameters: Parameters, structure: Tensor) -> tuple[Tensor, Tensor]:
        population = {name: tensor[None] for name, tensor in parameters.items()}
        loss = population_losses(population, structure[None], batch, rating_range)[0]
        return loss, loss

    differentiated = torch.func.grad(alone, has_aux=True)
    gradients, losses = torch.func.vmap(differentiated)(parameters, structures)
    return gradients, losses


def population_losses(
    parameters: Parameters, structures: Tensor, batch: Batch, rating_range: tuple[float, float]
) -> Tensor:
    """The losses [P] of a batch under each structure."""
    user = parameters["users"][:, batch.users]
    operations = _operations(parameters, structures, batch, user)
    of_items, of_users = operations[0].split(parameters["items"].shape[-1])
    item = _rows(parameters["items"], batch.items)
    half = item.shape[-1]
    kernel = parameters["hidden_1_kernel"]
    x = _product(of_items.spread(batch.owners)(item), kernel[:, :half])
    of_user = torch.bmm(of_users(user), kernel[:, half:]) + parameters["hidden_1_bias"][:, None]
    x = operations[1].spread(batch.owners)(x + of_user[:, batch.owners, None])
    for position in range(2, len(operations)):
        x = operations[position].spread(batch.owners)(_linear(parameters, f"hidden_{position}", x))
    low, high = rating_range
    output = (x * parameters["output_kernel"][:, None, None, :, 0]).sum(-1)
    predicted = torch.sigmoid(output + parameters["output_bias"][:, None])
    errors = low + (high - low) * predicted - batch.ratings
    return (errors * errors * batch.weights).sum((1, 2))


class _Operation(NamedTuple):
    """What is done at a position: ``clamp(x, low, high) * scale + shift``, each [P, B, width]."""

    low: Tensor
    high: Tensor
    scale: Tensor
    shift: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Modulates and activates."""
        clamped = torch.minimum(torch.maximum(x, self.low), self.high)
        return functional.leaky_relu(clamped * self.scale + self.shift)

    def split(self, width: int) -> "tuple[_Operation, _Operation]":
        """The operation on the first `width` units, and on the others."""
        parts = zip(*(tensor.tensor_split([width], -1) for tensor in self), strict=True)
        first, others = (_Operation(*part) for part in parts)
        return first, others

    def spread(self, owners: Tensor) -> "_Operation":
        """The operation [P, T, 1, width] on the blocks of these owners."""
        return _Operation(*(tensor[:, owners, None] for tensor in self))


def _operations(
    parameters: Parameters, structures: Tensor, batch: Batch, user: Tensor
) -> list[_Operation]:
    """The operation at each position, from the users' support sets."""
    dim, user_dim = parameters["items"].shape[-1], user.shape[-1]
    kernel = parameters["encoder_kernel"]
    of_item = _product(_rows(parameters["items"], batch.support_items), kernel[:, :dim])
    of_user = torch.bmm(user, kernel[:, dim : dim + user_dim])
    of_user = of_user + parameters["encoder_bias"][:, None]
    of_rating = batch.support_ratings[..., None] * kernel[:, None, None, -1]
    hidden = functional.leaky_relu(of_item + of_user[:, :, None] + of_rating)
    encoding = (hidden * batch.support_weights[..., None]).sum(2)
    phi = _linear(parameters, "hyper", encoding).unflatten(-1, (4, -1))
    first = dim + user_dim
    hidden_names = [f"hidden_{i}_bias" for i in range(1, structures.shape[1])]
    widths = [first, *(parameters[name].shape[-1] for name in hidden_names)]
    ends = list(accumulate(widths))
    return [
        _neutral_where_off(phi[..., end - width : end], structures[:, position])
        for position, (width, end) in enumerate(zip(widths, ends, strict=True))
    ]


def _neutral_where_off(phi: Tensor, chosen: Tensor) -> _Operation:
    """The operation of parameters [P, B, 4, width]; what is not `chosen` [P, 4] does nothing."""
    on = chosen[:, :, None, None].unbind(1)
    largest, smallest, scale, shift = phi.unbind(2)
    return _Operation(
        torch.where(on[0], largest, -torch.inf),
        torch.where(on[1], smallest, torch.inf),
        torch.where(on[2], positive_scale(scale), 1.0),
        torch.where(on[3], shift, 0.0),
    )


def _rows(table: Tensor, ids: Tensor) -> Tensor:
    """Rows [P, *ids, d] of tables [P, N, d]."""
    return table[:, ids.reshape(-1)].unflatten(1, ids.shape)


def _product(x: Tensor, kernel: Tensor) -> Tensor:
    """``[P, ..., inputs]`` times ``[P, inputs, outputs]``, one product per structure."""
    return torch.bmm(x.flatten(1, -2), kernel).unflatten(1, x.shape[1:-1])


def _linear(parameters: Parameters, name: str, x: Tensor) -> Tensor:
    """A layer applied to [P, ..., inputs]."""
    bias = parameters[f"{name}_bias"]
    return _product(x, parameters[f"{name}_kernel"]) + bias.unflatten(1, (*[1] * (x.ndim - 2), -1))


def _adam_in_place(
    state: tuple[Parameters, Parameters, Parameters],
    gradients: Parameters,
    count: Tensor,
    learning_rate: float,
) -> None:
    """One step of Adam, the `count`-th, on parameters and moments."""
    fast, slow = BETAS
    rate = learning_rate / (1.0 - fast**count)
    correction = torch.rsqrt(1.0 - slow**count)
    for name, parameter in state[0].items():
        gradient, first, second = gradients[name], state[1][name], state[2][name]
        first.mul_(fast).add_(gradient, alpha=1.0 - fast)
        second.mul_(slow).addcmul_(gradient, gradient, value=1.0 - slow)
        parameter.sub_(rate * first / (second.sqrt() * correction + EPSILON))
