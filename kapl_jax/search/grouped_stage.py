"""A stage whose individuals need several programs: those of one program train together."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence

from kapl_jax.search.individual import Individual
from kapl_jax.search.stage import Outcome, Stage


class GroupedStage:
    """Trains rounds of individuals, group after group.

    What changes a shape (depth, width) makes a group. Early dropping is within a group: individuals
    of different sizes are not rivals before the end.
    """

    def __init__(
        self,
        group_of: Callable[[Individual], Hashable],
        open_stage: Callable[[Hashable, str], Stage],
    ) -> None:
        """Prepare a stage.

        Args:
            group_of: What an individual's program depends on.
            open_stage: Makes the stage of a group, given it and a label of its own.
        """
        self._group_of = group_of
        self._open_stage = open_stage
        self._stages: dict[Hashable, Stage] = {}

    def train(
        self, number: int, individuals: Sequence[Individual], again: Container[str] = ()
    ) -> list[Outcome]:
        """Train round `number` and return what became of each individual, see `Stage.train`."""
        members: dict[Hashable, list[int]] = {}
        for index, one in enumerate(individuals):
            members.setdefault(self._group_of(one), []).append(index)
        outcomes: dict[int, Outcome] = {}
        for group, indices in members.items():
            members_of_group = [individuals[index] for index in indices]
            found = self._stage(group).train(number, members_of_group, again)
            outcomes |= zip(indices, found, strict=True)
        return [outcomes[index] for index in range(len(individuals))]

    def _stage(self, group: Hashable) -> Stage:
        if group not in self._stages:
            label = str(len(self._stages) or "")
            self._stages[group] = self._open_stage(group, label)
        return self._stages[group]
