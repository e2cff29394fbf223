"""Counts what is compiled while searches run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.monitoring
import pytest

from kapl_jax.search.stage import Stage


class Compilations:
    """Counts what is compiled, and what was by the end of each round of a search."""

    def __init__(self) -> None:
        self.count = 0
        self.by_round: list[int] = []

    def listen(self, name, seconds, **_):
        self.count += name == "/jax/core/compile/backend_compile_duration"

    def counted(self, train):
        def call(stage, number, individuals, *rest):
            outcomes = train(stage, number, individuals, *rest)
            if stage.name == "search":
                self.by_round.append(self.count)
            return outcomes

        return call


@contextmanager
def counted_compilations() -> Iterator[Compilations]:
    counter = Compilations()
    jax.monitoring.register_event_duration_secs_listener(counter.listen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "train", counter.counted(Stage.train))
        yield counter
    jax.monitoring.unregister_event_duration_listener(counter.listen)
