"""Training modulated predictors in PyTorch as published: one structure, one user after the other.

The model is that of ColdNAS (WWW 2023): a set encoder maps a user's rated items to modulation
parameters for each position of an MLP, whose predictions for their query items are trained by mean
squared error, the mean over users, with Adam. An incomplete last batch is dropped. Items and users
have one id each, and their layers no bias, as in an embedding table.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.pytorch_baselines.common import linear

# Of Adam, PyTorch's defaults.
BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class ModulationWork:
    """What is to be trained.

    Parameters have the population axis P first: "items" [P, I, d], "users" [P, V, d], and for each
    layer NAME "NAME_kernel" [P, inputs, outputs] and "NAME_bias" [P, outputs]. The layers are
    "encoder", whose inputs are item embedding, user embedding and rating; "hyper", from the
    encoding to the operations' parameters, all positions of max first, then of min, scale and
    shift; "hidden_1" and so on; "output", of one output.

    Attributes:
        users: int[U], a row of "users" for each user.
        support_items: int[U, S], rows of "items".
        support_ratings: float32[U, S].
        support_mask: bool[U, S], False where there is nothing.
        query_items: int[U, Q].
        query_ratings: float32[U, Q].
        query_mask: bool[U, Q].
        structures: bool[P, C, 4], positions and operations (max, min, scale, shift).
        parameters: float32 arrays to start from, by name.
        orders: int[epochs, U], the order of the users in each epoch.
        rating_range: the least and the largest rating that can be predicted.
        batch_size: B, users per step.
        learning_rate: of Adam.
    """

    users: np.ndarray
    support_items: np.ndarray
    support_ratings: np.ndarray
    support_mask: np.ndarray
    query_items: np.ndarray
    query_ratings: np.ndarray
    query_mask: np.ndarray
    structures: np.ndarray
    parameters: dict[str, np.ndarray]
    orders: np.ndarray
    rating_range: tuple[float, float] = (0.0, 1.0)
    batch_size: int = 32
    learning_rate: float = 1e-4

    @property
    def widths(self) -> tuple[int, ...]:
        """Units at each position: the predictor's input, then each hidden layer."""
        hidden = range(1, self.structures.shape[1])
        first = self.parameters["items"].shape[-1] + self.parameters["users"].shape[-1]
        return (first, *(self.parameters[f"hidden_{i}_bias"].shape[-1] for i in hidden))

    def batches(self) -> list[list[np.ndarray]]:
        """The users int[B] of each step of each epoch."""
        whole = self.orders.shape[1] // self.batch_size * self.batch_size
        return [list(order[:whole].reshape(-1, self.batch_size)) for order in self.orders]


@dataclass(frozen=True)
class ModulationOutcome:
    """How long training took, and where it came to.

    Attributes:
        seconds: of wall time.
        losses: float64[epochs, P], the mean over an epoch's steps.
        parameters: float32 arrays at the end, by name, as in `ModulationWork`.
    """

    seconds: float
    losses: np.ndarray
    parameters: dict[str, np.ndarray]


def train_users_one_by_one(work: ModulationWork) -> ModulationOutcome:
    """Trains one structure after the other, each step a loop over users, the published way.

    Items and users are one-hot vectors of integers, multiplied with dense matrices at every step.
    """
    return _train_in_turn(work, _DenseInputs)


def train_users_one_by_one_by_tables(work: ModulationWork) -> ModulationOutcome:
    """Trains like `train_users_one_by_one`, but looks embeddings up by their ids."""
    return _train_in_turn(work, _TableInputs)


def positive_scale(raw: Tensor) -> Tensor:
    """The factor of `scale`, positive as our set encoder makes it; as published it is a ReLU."""
    return functional.softplus(raw) / math.log(2.0)


class _DenseInputs(torch.nn.Module):
    """Embeddings as products of one-hot vectors with dense matrices."""

    def __init__(self, items: Tensor, users: Tensor) -> None:
        super().__init__()
        self.items, self.users = linear(items), linear(users)

    def encode(self, items: Tensor, user: int) -> Tensor:
        """A user's items as one-hot vectors int64[n, I + V]."""
        users = torch.full_like(items, user)
        columns = (items, self.items.in_features), (users, self.users.in_features)
        return torch.cat([functional.one_hot(ids, size) for ids, size in columns], 1)

    def forward(self, inputs: Tensor) -> Tensor:
        border = self.items.in_features
        item, user = inputs[:, :border].float(), inputs[:, border:].float()
        return torch.cat([self.items(item), self.users(user)], 1)

    def tables(self) -> dict[str, Tensor]:
        return {"items": self.items.weight.T, "users": self.users.weight.T}


class _TableInputs(torch.nn.Module):
    """Embeddings looked up in tables."""

    def __init__(self, items: Tensor, users: Tensor) -> None:
        super().__init__()
        self.items = torch.nn.Embedding.from_pretrained(items, freeze=False)
        self.users = torch.nn.Embedding.from_pretrained(users, freeze=False)

    def encode(self, items: Tensor, user: int) -> Tensor:
        """The ids of a user's items and of the user, int64[n, 2]."""
        return torch.stack([items, torch.full_like(items, user)], 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.cat([self.items(inputs[:, 0]), self.users(inputs[:, 1])], 1)

    def tables(self) -> dict[str, Tensor]:
        return {"items": self.items.weight, "users": self.users.weight}


_Inputs = _DenseInputs | _TableInputs


class _ModulatedPredictor(torch.nn.Module):
    """The model of one structure, for one user at a time."""

    def __init__(
        self,
        work: ModulationWork,
        structure: np.ndarray,
        parameters: dict[str, Tensor],
        make_inputs: Callable[[Tensor, Tensor], _Inputs],
    ) -> None:
        super().__init__()
        self.inputs = make_inputs(parameters["items"], parameters["users"])
        names = [name.removesuffix("_bias") for name in parameters if name.endswith("_bias")]
        self.layers = torch.nn.ModuleDict(
            {
                name: linear(parameters[f"{name}_kernel"], parameters[f"{name}_bias"])
                for name in names
            }
        )
        self.operations: list[list[int]] = [np.flatnonzero(chosen).tolist() for chosen in structure]
        self.borders: list[tuple[int, int]] = list(pairwise(np.cumsum((0, *work.widths)).tolist()))
        self.rating_range = work.rating_range

    def forward(self, support: Tensor, ratings: Tensor, query: Tensor) -> Tensor:
        """Predictions [n, 1] for encoded query items, from encoded support items [s, ...]."""
        pairs = torch.cat([self.inputs(support), ratings.view(-1, 1)], 1)
        encoding = torch.mean(functional.leaky_relu(self.layers["encoder"](pairs)), 0)
        parameters = self.layers["hyper"](encoding).view(4, -1)
        x = self._modulate(self.inputs(query), parameters, 0)
        for position in range(1, len(self.operations)):
            x = self._modulate(self.layers[f"hidden_{position}"](x), parameters, position)
        low, high = self.rating_range
        return low + (high - low) * torch.sigmoid(self.layers["output"](x))

    def _modulate(self, x: Tensor, parameters: Tensor, position: int) -> Tensor:
        first, last = self.borders[position]
        largest, smallest, scale, shift = parameters[:, first:last]
        chosen = self.operations[position]
        if 0 in chosen:
            x = torch.maximum(x, largest)
        if 1 in chosen:
            x = torch.minimum(x, smallest)
        if 2 in chosen:
            x = x * positive_scale(scale)
        if 3 in chosen:
            x = x + shift
        return functional.leaky_relu(x)

    def state(self) -> dict[str, np.ndarray]:
        """The parameters by name, without a population axis."""
        tensors: dict[str, Any] = self.inputs.tables()
        for name, layer in self.layers.items():
            tensors |= {f"{name}_kernel": layer.weight.T, f"{name}_bias": layer.bias}
        return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def _train_in_turn(
    work: ModulationWork, make_inputs: Callable[[Tensor, Tensor], _Inputs]
) -> ModulationOutcome:
    """Trains the structures one after the other; making tasks and models is not timed."""
    seconds, losses, models = 0.0, [], []
    for index, structure in enumerate(work.structures):
        start = {name: torch.tensor(array[index]) for name, array in work.parameters.items()}
        model = _ModulatedPredictor(work, structure, start, make_inputs)
        epochs = [[[_task(work, model, user) for user in batch] for batch in epoch]
                  for epoch in work.batches()]  # fmt: skip
        optimizer = torch.optim.Adam(
            model.parameters(), lr=work.learning_rate, betas=BETAS, eps=EPSILON
        )
        began = time.perf_counter()
        losses.append([np.mean([_step(model, optimizer, b) for b in epoch]) for epoch in epochs])
        seconds += time.perf_counter() - began
        models.append(model.state())
    parameters = {name: np.stack([model[name] for model in models]) for name in work.parameters}
    return ModulationOutcome(seconds, np.array(losses, np.float64).T, parameters)


_Task = tuple[Tensor, Tensor, Tensor, Tensor]


def _task(work: ModulationWork, model: _ModulatedPredictor, user: int) -> _Task:
    """A user's encoded support items and ratings, and encoded query items and ratings."""

    def present(items: np.ndarray, ratings: np.ndarray, mask: np.ndarray) -> tuple[Tensor, Tensor]:
        ids = torch.tensor(items[user][mask[user]], dtype=torch.int64)
        return model.inputs.encode(ids, int(work.users[user])), torch.tensor(
            ratings[user][mask[user]], dtype=torch.float32
        )

    return (
        *present(work.support_items, work.support_ratings, work.support_mask),
        *present(work.query_items, work.query_ratings, work.query_mask),
    )


def _step(
    model: _ModulatedPredictor, optimizer: torch.optim.Optimizer, tasks: list[_Task]
) -> float:
    """One step of Adam on a batch of users; returns its loss."""
    loss = torch.zeros(())
    for support, support_ratings, query, query_ratings in tasks:
        predicted = model(support, support_ratings, query)
        loss = loss + functional.mse_loss(predicted, query_ratings.view(-1, 1))
    loss = loss / len(tasks)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())
