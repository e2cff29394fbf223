"""What the fast PyTorch programs of relational message passing have in common."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from experiments.pytorch_baselines.relational_work import (
    BETAS,
    EPSILON,
    RankingWork,
    RelationalWork,
)

Parameters = dict[str, Tensor]

GATE = ("gate_input", "gate_hidden", "gate_input_bias", "gate_hidden_bias")


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent, by the logistic function, for which compiled code is faster."""
    return 2.0 * torch.sigmoid(2.0 * x) - 1.0


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": tanh,
}


class TrainedParameters:
    """All parameters, layers stacked, with their gradients and Adam.

    Attributes:
        values: by name, as in `RelationalWork`.
        gradients: of the same shapes; a step adds to them.
    """

    def __init__(self, work: RelationalWork, device: str) -> None:
        """Starts from the parameters of `work`, with gradients of zero."""
        self.values: Parameters = {
            name: torch.tensor(array, device=device) for name, array in work.parameters.items()
        }
        self.gradients: Parameters = {
            name: torch.zeros_like(tensor) for name, tensor in self.values.items()
        }
        for name, tensor in self.values.items():
            tensor.grad = self.gradients[name]
        self._optimizer = torch.optim.Adam(
            self.values.values(),
            lr=work.learning_rate,
            betas=BETAS,
            eps=EPSILON,
            weight_decay=work.weight_decay,
            fused=True,
        )

    def step(self) -> None:
        """Updates the values by the gradients, and sets these to zero."""
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=False)

    def arrays(self) -> dict[str, np.ndarray]:
        """The values by name."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.values.items()}


def of_layer(parameters: Parameters, index: int) -> Parameters:
    """Views of a layer's own parameters, and what all layers share."""
    shared = {*GATE, "score"}
    return {
        name: tensor if name in shared else tensor[index] for name, tensor in parameters.items()
    }


def update(
    parameters: Parameters, sums: Tensor, previous: Tensor | None, activation: str
) -> Tensor:
    """The states after a layer, from the sums of messages.

    Args:
        parameters: of `GATE`, and "message" of the layer.
        sums: float32[..., D].
        previous: the states before, of the same shape; None: all of them zero.
        activation: its name.
    """
    of_input = _of_input(parameters, sums, activation).chunk(3, -1)
    of_hidden = parameters["gate_hidden_bias"]
    if previous is not None:
        of_hidden = previous @ parameters["gate_hidden"] + of_hidden
    hidden = of_hidden.chunk(3, -1)
    reset = torch.sigmoid(of_input[0] + hidden[0])
    keep = torch.sigmoid(of_input[1] + hidden[1])
    new = tanh(of_input[2] + reset * hidden[2])
    return new - keep * new if previous is None else new + keep * (previous - new)


def _of_input(parameters: Parameters, sums: Tensor, activation: str) -> Tensor:
    """The input's part of the gate [..., 3D]; two linear maps in a row are one."""
    if activation == "identity":
        product = sums @ (parameters["message"] @ parameters["gate_input"])
    else:
        inputs = _ACTIVATIONS[activation](sums @ parameters["message"])
        product = inputs @ parameters["gate_input"]
    return product + parameters["gate_input_bias"]


def filtered_ranks(scores: Tensor, queries: RankingWork) -> np.ndarray:
    """The filtered ranks of all answers, float64, each the mean over ties.

    Args:
        scores: float32[B, N].
        queries: answers, and the known entities that do not compete.
    """

    def cells(rows: tuple[np.ndarray, ...]) -> tuple[Tensor, Tensor]:
        owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        entities = np.concatenate([np.sort(row) for row in rows])
        index = torch.from_numpy(np.stack([owners, entities])).to(scores.device)
        return index[0], index[1]

    answers = cells(queries.answers)
    targets = scores[answers][:, None]
    competing = scores.index_put(cells(queries.known), scores.new_tensor(-torch.inf))[answers[0]]
    better, tied = (competing > targets).sum(1), (competing == targets).sum(1)
    return (1.0 + better + 0.5 * tied).double().cpu().numpy()
