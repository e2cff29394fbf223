"""Relational message passing in PyTorch as published: edges one by one, nodes found by sorting.

What the published RED-GNN program does in a layer: on the host, a product of two sparse matrices
and its nonzeros are the edges that leave the nodes reached, of each query of the batch; sorting
numbers their heads and tails; then full rows are gathered for each edge, added to the tails, and
gated. Scores lie in an array of all entities. Published, the loss also spreads a [B, 1] maximum
over [B], which multiplies it by B; here it is as meant, so that all programs train alike.

`torch.Tensor.index_add` stands where the published program calls the package torch_scatter.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse, stats
from torch import Tensor

from experiments.pytorch_baselines.common import linear
from experiments.pytorch_baselines.relational_work import (
    BETAS,
    EPSILON,
    RankingOutcome,
    RankingWork,
    RelationalOutcome,
    RelationalWork,
)

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "tanh": torch.tanh,
}


def train_as_published(work: RelationalWork) -> RelationalOutcome:
    """Trains the steps of `work`; making the model and the graph's matrix is not timed."""
    graph, model = _Graph(work), _Model(work)
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=work.learning_rate,
        betas=BETAS,
        eps=EPSILON,
        weight_decay=work.weight_decay,
    )
    batches = list(zip(work.heads, work.relations, work.tails, strict=True))
    start = time.perf_counter()
    losses = [_step(graph, model, optimizer, *batch) for batch in batches]
    seconds = time.perf_counter() - start
    return RelationalOutcome(seconds / len(batches), np.array(losses), model.state())


def rank_as_published(work: RelationalWork, queries: RankingWork) -> RankingOutcome:
    """Scores all entities with the parameters of `work`, and ranks by sorting each row twice.

    A rank is that among all entities, the mean over ties, less the rank among the known answers,
    the least over ties, plus 1. Where no known answers tie, it is the filtered rank.
    """
    graph, model = _Graph(work), _Model(work)
    model.eval()
    start = time.perf_counter()
    scores = model(graph, queries.heads, queries.relations).detach().numpy()
    answers, known = (
        np.array([_one_hot(row, work.num_entities) for row in rows])
        for rows in (queries.answers, queries.known)
    )
    ranks = _ranks(scores, answers, known)
    return RankingOutcome(time.perf_counter() - start, scores, ranks)


def _one_hot(entities: np.ndarray, size: int) -> np.ndarray:
    row = np.zeros(size)
    row[entities] = 1
    return row


def _ranks(scores: np.ndarray, answers: np.ndarray, known: np.ndarray) -> np.ndarray:
    positive = scores - scores.min(1, keepdims=True) + 1e-8
    among_all = stats.rankdata(-positive, method="average", axis=1)
    among_known = stats.rankdata(-(positive * known), method="min", axis=1)
    ranks = (among_all - among_known + 1) * answers
    return ranks[np.nonzero(ranks)]


def _step(
    graph: "_Graph",
    model: "_Model",
    optimizer: torch.optim.Optimizer,
    heads: np.ndarray,
    relations: np.ndarray,
    tails: np.ndarray,
) -> float:
    """One step of Adam on a batch of queries; returns its loss."""
    model.zero_grad()
    scores = model(graph, heads, relations)
    answer = scores[torch.arange(len(scores)), torch.tensor(tails, dtype=torch.int64)]
    largest = scores.max(1, keepdim=True)[0]
    logs = largest[:, 0] + torch.log(torch.sum(torch.exp(scores - largest), 1))
    loss = torch.sum(logs - answer)
    loss.backward()
    optimizer.step()
    for parameter in model.parameters():
        values = parameter.data.clone()
        missing = torch.isnan(values)
        values[missing] = np.random.random()
        parameter.data.copy_(values)
    return loss.item()


class _Graph:
    """The edges, and the sparse matrix [E, N] that holds a 1 at each edge's head."""

    def __init__(self, work: RelationalWork) -> None:
        self.num_entities = work.num_entities
        self.identity = 2 * work.num_relations
        # As published, float64.
        self.edges = work.edges.astype(np.float64)
        count = len(work.edges)
        self.heads = sparse.csr_matrix(
            (np.ones(count), (np.arange(count), work.edges[:, 0])),
            shape=(count, self.num_entities),
        )

    def expand(self, nodes: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Goes one step.

        Args:
            nodes: int64[n, 2], query and entity, sorted.

        Returns:
            The nodes then reached, int64[m, 2], sorted; the edges, int64[e, 6], of query, head,
            relation, tail, the head's row in `nodes` and the tail's row among those reached; and
            the rows that `nodes` have among those reached, int64[n].
        """
        ones = sparse.csr_matrix(
            (np.ones(len(nodes)), (nodes[:, 1], nodes[:, 0])),
            shape=(self.num_entities, len(nodes)),
        )
        chosen, queries = self.heads.dot(ones).nonzero()
        edges: Tensor = torch.from_numpy(
            np.concatenate([queries[:, None], self.edges[chosen]], axis=1).astype(np.int64)
        )
        _, heads = torch.unique(edges[:, [0, 1]], dim=0, sorted=True, return_inverse=True)
        reached, tails = torch.unique(edges[:, [0, 3]], dim=0, sorted=True, return_inverse=True)
        edges = torch.cat([edges, heads[:, None], tails[:, None]], 1)
        stays = edges[:, 2] == self.identity
        _, order = heads[stays].sort()
        return reached, edges, tails[stays][order]


class _Layer(torch.nn.Module):
    """One layer's messages."""

    def __init__(self, parameters: dict[str, Tensor], activation: str) -> None:
        super().__init__()
        self.relation = torch.nn.Embedding.from_pretrained(parameters["relation"], freeze=False)
        self.of_source = linear(parameters["attention_source"])
        self.of_relation = linear(parameters["attention_relation"])
        self.of_query = linear(parameters["attention_query"], parameters["attention_bias"])
        self.out = linear(
            parameters["attention_out"][:, None], parameters["attention_out_bias"][None]
        )
        self.message = linear(parameters["message"])
        self.activation = _ACTIVATIONS[activation]

    def forward(self, relations: Tensor, hidden: Tensor, edges: Tensor, num_nodes: int) -> Tensor:
        """The inputs [num_nodes, D] of the gate."""
        source, relation = hidden[edges[:, 4]], self.relation(edges[:, 2])
        query = self.relation(relations)[edges[:, 0]]
        inner = self.of_source(source) + self.of_relation(relation) + self.of_query(query)
        alpha = torch.sigmoid(self.out(torch.relu(inner)))
        messages = alpha * (source + relation)
        zeros = torch.zeros(num_nodes, messages.shape[1])
        return self.activation(self.message(zeros.index_add(0, edges[:, 5], messages)))

    def state(self) -> dict[str, Tensor]:
        """This layer's parameters by name."""
        return {
            "relation": self.relation.weight,
            "attention_source": self.of_source.weight.T,
            "attention_relation": self.of_relation.weight.T,
            "attention_query": self.of_query.weight.T,
            "attention_bias": self.of_query.bias,
            "attention_out": self.out.weight[0],
            "attention_out_bias": self.out.bias[0],
            "message": self.message.weight.T,
        }


class _Model(torch.nn.Module):
    """All layers, the gate and the score."""

    def __init__(self, work: RelationalWork) -> None:
        super().__init__()
        start = {name: torch.tensor(array) for name, array in work.parameters.items()}
        shared = {name: start.pop(name) for name in list(start) if name.startswith("gate")}
        self.score = linear(start.pop("score")[:, None])
        self.gate = torch.nn.GRU(work.width, work.width)
        for name, tensor in self._gate().items():
            tensor.data.copy_(shared[name])
        layers = (
            {name: tensor[index] for name, tensor in start.items()}
            for index in range(work.num_layers)
        )
        self.layers = torch.nn.ModuleList([_Layer(layer, work.activation) for layer in layers])

    def _gate(self) -> dict[str, Tensor]:
        own = dict(self.gate.named_parameters())
        return {
            "gate_input": own["weight_ih_l0"].T,
            "gate_hidden": own["weight_hh_l0"].T,
            "gate_input_bias": own["bias_ih_l0"],
            "gate_hidden_bias": own["bias_hh_l0"],
        }

    def forward(self, graph: _Graph, heads: np.ndarray, relations: np.ndarray) -> Tensor:
        """The scores [B, N] of queries."""
        count, width = len(heads), self.gate.hidden_size
        query = torch.tensor(relations, dtype=torch.int64)
        nodes: Tensor = torch.stack(
            [torch.arange(count), torch.tensor(heads, dtype=torch.int64)], 1
        )
        hidden, before = torch.zeros(count, width), torch.zeros(1, count, width)
        for layer in self.layers:
            nodes, edges, rows = graph.expand(nodes.numpy())
            messages = layer(query, hidden, edges, len(nodes))
            before = torch.zeros(1, len(nodes), width).index_copy(1, rows, before)
            output, before = self.gate(messages[None], before)
            hidden = output[0]
        scores = torch.zeros(count, graph.num_entities)
        scores[nodes[:, 0], nodes[:, 1]] = self.score(hidden)[:, 0]
        return scores

    def state(self) -> dict[str, np.ndarray]:
        """The parameters by name, layers stacked."""
        layers = [layer.state() for layer in self.layers if isinstance(layer, _Layer)]
        tensors = {name: torch.stack([layer[name] for layer in layers]) for name in layers[0]}
        tensors |= {**self._gate(), "score": self.score.weight[0]}
        return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
