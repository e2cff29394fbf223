"""PyTorch's threads in measurements; imports PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch


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
