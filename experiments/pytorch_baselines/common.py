"""What PyTorch programs of several methods or kinds use."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def linear(kernel: Tensor, bias: Tensor | None = None) -> torch.nn.Linear:
    """Return a layer of kernel [inputs, outputs] and bias [outputs], None for a layer without."""
    layer = torch.nn.Linear(kernel.shape[0], kernel.shape[1], bias is not None)
    layer.weight.data.copy_(kernel.T)
    if bias is not None:
        layer.bias.data.copy_(bias)
    return layer


def sums_of_rows(
    table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the sums float32[n, D] of rows of a table, times their weights.

    Args:
        table: float32[N, D].
        rows: int[m], which rows.
        offsets: int[n + 1], where the rows of each sum start.
        weights: float32[m]; None for ones.
    """
    return torch.embedding_bag(table, rows, offsets, False, 0, False, weights, True)[0]


def ideal_of_processes(seconds: Callable[[], float]) -> float:
    """Return the seconds as if every core ran its own process without disturbing the others.

    Args:
        seconds: Works in this thread and returns the seconds it took.
    """
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return seconds() / cores
    finally:
        torch.set_num_threads(cores)
