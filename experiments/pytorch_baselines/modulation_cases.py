"""PyTorch's training of modulation structures as cases to time beside ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch

from experiments.benchmarking.measures import Case
from experiments.pytorch_baselines.common import ideal_of_processes
from experiments.pytorch_baselines.modulation import (
    ModulationOutcome,
    ModulationWork,
    train_users_one_by_one,
    train_users_one_by_one_by_tables,
)
from experiments.pytorch_baselines.modulation_batched import BatchedTrainer, gradients_by_vmap
from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.problem import ColdNASProblem

# Batches that stand for all where users are trained in turn, and chunks where structures are.
_BATCHES_IN_TURN = 2
_CHUNKS = 2


def modulation_cases(
    problem: ColdNASProblem,
    structures: np.ndarray,
    learning_rate: float,
    epochs: int,
    chunk_size: int,
) -> list[Case]:
    """Return PyTorch's cases: as published, and batched as well as we can.

    A unit of work is one user in one epoch of one structure.

    Args:
        problem: What to train, with items and users of one id each.
        structures: bool[P, C, 4].
        learning_rate: Of Adam.
        epochs: Epochs per measurement of the batched programs.
        chunk_size: Structures in a batch of the batched programs.
    """
    size = min(chunk_size, len(structures))
    together = modulation_work(problem, structures[: size * _CHUNKS], learning_rate, epochs)
    if len(structures) < size * _CHUNKS:
        together = _first_structures(together, size)
    alone = _first_structures(together, 1)
    in_turn = dataclasses.replace(
        alone, orders=alone.orders[:1, : _BATCHES_IN_TURN * alone.batch_size]
    )
    dense = _with_rows(in_turn, len(problem.cold_start.items), len(problem.cold_start.users))
    by_vmap = BatchedTrainer(together, size, gradients_by_vmap)
    single, population = BatchedTrainer(alone, 1), BatchedTrainer(together, size)
    cores = torch.get_num_threads()
    return [
        _case("torch as published, user by user", dense, train_users_one_by_one),
        _case("torch, user by user, tables", in_turn, train_users_one_by_one_by_tables),
        _case("torch.compile, one structure", alone, lambda _: single.train()),
        _ideal(f"the same, ideal of {cores} processes of one thread", single, alone),
        _case(f"torch.compile, chunks of {size}", together, lambda _: population.train()),
        _ideal(f"chunks of {size}, ideal of {cores} processes of one thread", population, together),
        _case(f"torch.compile, torch.func.vmap, chunks of {size}", together,
              lambda _: by_vmap.train()),
    ]  # fmt: skip


def modulation_work(
    problem: ColdNASProblem, structures: np.ndarray, learning_rate: float, epochs: int
) -> ModulationWork:
    """Return the same training for PyTorch, from the same initial parameters.

    Raises:
        UserError: Items or users are more than an id.
    """
    table, train = problem.data["train"].item_fields, problem.data["train"].tasks
    if len(table) != 1 or len(train.features) != 1 or table[0].shape[1] != 1:
        raise UserError(
            f"--dataset={problem.cold_start.name}: several fields an item or a user, which the "
            "PyTorch programs do not know, expected one id each; --notorch leaves them out"
        )
    rng = np.random.default_rng(0)
    rows = np.asarray(table[0])[:, 0]
    keys = jax.random.split(jax.random.key(0), len(structures))
    init = jax.vmap(problem.init_parameters)
    initial = jax.jit(init)(keys, structures)
    return ModulationWork(
        users=np.asarray(train.features[0])[:, 0],
        support_items=rows[np.asarray(train.support.features)],
        support_ratings=np.asarray(train.support.labels),
        support_mask=np.asarray(train.support.mask),
        query_items=rows[np.asarray(train.query.features)],
        query_ratings=np.asarray(train.query.labels),
        query_mask=np.asarray(train.query.mask),
        structures=structures,
        parameters=_named(initial["model"]),
        orders=np.stack([rng.permutation(train.num_tasks) for _ in range(epochs)]),
        batch_size=min(problem.options.batch_size, train.num_tasks),
        learning_rate=learning_rate,
    )


def _named(model: dict[str, Any]) -> dict[str, np.ndarray]:
    """The parameters of `ModulatedPredictor` by the names of `ModulationWork`."""
    layers = {"encoder": model["encoder"]["item"], "hyper": model["encoder"]["phi"]}
    hidden = sorted(name for name in model if name.startswith("hidden_"))
    layers |= {f"hidden_{index}": model[name] for index, name in enumerate(hidden, start=1)}
    layers["output"] = model["out"]
    named = {name: np.asarray(model[name]["field_0"]) for name in ("items", "users")}
    named |= {
        f"{name}_{kind}": np.asarray(layer[kind])
        for name, layer in layers.items()
        for kind in ("kernel", "bias")
    }
    # Our encoder joins item, rating and user in this order, PyTorch's has the rating at the end.
    rating = named["items"].shape[-1]
    order = [*range(rating), *range(rating + 1, named["encoder_kernel"].shape[1]), rating]
    return named | {"encoder_kernel": named["encoder_kernel"][:, order]}


def _first_structures(work: ModulationWork, count: int) -> ModulationWork:
    parameters = {name: array[:count] for name, array in work.parameters.items()}
    return dataclasses.replace(work, structures=work.structures[:count], parameters=parameters)


def _with_rows(work: ModulationWork, items: int, users: int) -> ModulationWork:
    """The work with tables of all items and users, as published, and not of those trained only."""

    def grown(table: np.ndarray, rows: int) -> np.ndarray:
        more = max(0, rows - table.shape[1])
        return np.pad(table, [(0, 0), (0, more), (0, 0)])

    tables = {
        "items": grown(work.parameters["items"], items),
        "users": grown(work.parameters["users"], users),
    }
    return dataclasses.replace(work, parameters=work.parameters | tables)


def _units(work: ModulationWork) -> int:
    """Users trained, times structures, times epochs."""
    return len(work.structures) * sum(len(batch) for epoch in work.batches() for batch in epoch)


def _case(
    name: str, work: ModulationWork, train: Callable[[ModulationWork], ModulationOutcome]
) -> Case:
    return Case(name, lambda: train(work).seconds / _units(work))


def _ideal(name: str, trainer: BatchedTrainer, work: ModulationWork) -> Case:
    return Case(name, lambda: ideal_of_processes(lambda: trainer.train().seconds) / _units(work))
