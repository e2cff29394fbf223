"""A progress bar that shows the best score so far and the time left."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts work done in units of candidate-epochs; silent when `enabled` is False."""

    def __init__(self, label: str, total: float, enabled: bool, sign: float = 1.0) -> None:
        """Start a bar.

        Args:
            label: What is done.
            total: Candidate-epochs to do.
            enabled: Whether to show it.
            sign: What a score is multiplied by to be shown: -1.0 for a negated metric.
        """
        self._sign = sign
        self._bar = tqdm(
            total=round(total),
            desc=label,
            disable=not enabled,
            file=sys.stderr,
            dynamic_ncols=True,
            unit="epoch",
            # A log file needs no more than two lines per minute.
            mininterval=0.1 if sys.stderr.isatty() else 30.0,
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        )
        self._best: float | None = None
        self._bar.set_postfix_str("compiling")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def advance(self, amount: float, note: str = "") -> None:
        """Count `amount` candidate-epochs as done."""
        if self._bar.n == 0:
            # The clock starts with the work: compiling says nothing about the time left.
            self._bar.unpause()
        self._bar.set_postfix_str(self._postfix(note), refresh=False)
        self._bar.update(amount)

    def best(self, score: float) -> None:
        """Show `score` if it beats the best so far."""
        if self._best is None or score > self._best:
            self._best = score
            self._bar.set_postfix_str(self._postfix(""))

    def _postfix(self, note: str) -> str:
        best = "" if self._best is None else f"best {self._sign * self._best:.4f}"
        return ", ".join(part for part in (best, note) if part)
