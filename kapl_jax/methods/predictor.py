"""Asking a trained model: the contract that every method's predictor keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from kapl_jax.errors import UserError
from kapl_jax.explain import Explanation


class Prediction(Protocol):
    """The answer to one question.

    Attributes:
        warnings: What was odd in the question, a line each.
        error: Why there is no answer; None where there is one.
    """

    @property
    def warnings(self) -> Sequence[str]:
        """What was odd in the question, a line each; by default nothing."""
        return ()

    @property
    def error(self) -> UserError | None:
        """Why there is no answer; by default there is one."""
        return None

    def text(self) -> str:
        """Return the answer for people, as a table."""
        ...

    def to_json(self) -> Any:
        """Return the answer in JSON's types."""
        ...


class Predictor(Protocol):
    """A trained model that can be asked.

    What it can be asked is a dataclass of settings (`Method.predicts`, `Method.explains`): its
    fields are the flags of experiments.predict and explain, and the arguments of the Python API.
    """

    def predict(self, question: Any) -> Sequence[Prediction]:
        """Return the answers to a question, which may be several questions in a file.

        Raises:
            UserError: The question cannot be answered.
        """
        ...

    def explain(self, question: Any) -> Explanation:
        """Return why the model answers as it does.

        Raises:
            UserError: The question cannot be answered.
        """
        ...
