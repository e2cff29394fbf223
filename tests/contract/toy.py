"""A whole method in a few lines, regression by a polynomial: a structure is which powers it has."""

import dataclasses
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kapl_jax.data.locate import locate
from kapl_jax.data.registry import Kind, is_generated
from kapl_jax.errors import UserError, one_line
from kapl_jax.methods.choice_space import ChoiceSpace
from kapl_jax.methods.method import Data, Method
from kapl_jax.methods.predictor import Explanation, Prediction
from kapl_jax.methods.settings import SearchSettings, log
from kapl_jax.runs.report.presentation import Presentation
from kapl_jax.runs.report.section import Section, Table
from kapl_jax.runs.settings import Settings, setting
from kapl_jax.search.problem import Problem, TrainingState

POWERS = ("x^5", "x^4", "x^3", "x^2", "x", "1")
POINTS = Kind("set of points", "points", file_endings=(".csv",), generated=("cubic",))


@dataclasses.dataclass(frozen=True)
class ToySettings(SearchSettings):
    dataset: str = setting("cubic", "Generated points, or a CSV file of x,y.")
    searcher: str = setting("random", "How.", choices=["random", "evolutionary", "one_shot"])
    learning_rate: float = setting(0.1, "Learning rate.", low=1e-8, high=1e38, tuned=log(3.0))


@dataclasses.dataclass(frozen=True)
class Points(Data):
    name = "cubic"
    points: np.ndarray

    def describe(self):
        return {"name": self.name, "digest": str(zlib.crc32(self.points.tobytes()))}


def load(settings, config):
    if is_generated(settings.dataset, POINTS):
        x = np.random.default_rng(0).uniform(-1, 1, 60)
        return Points(np.stack([x, 0.5 - 2 * x**3], 1).astype(np.float32))
    _, path = locate(settings.dataset, settings.data_dir or None, POINTS)
    try:
        return Points(np.loadtxt(path, np.float32, delimiter=",", ndmin=2))
    except ValueError as error:
        raise UserError(f"{path}: {one_line(error)}, expected lines of x,y") from None


class ToySpace(ChoiceSpace):
    def presets(self):
        return {"line": np.array([0, 0, 0, 0, 1, 1], np.int8)}

    def parse(self, text, source):
        if not set(found := text.split(" + ")) <= set(POWERS):
            raise UserError(f"{source}: found {text!r}, expected a sum of {', '.join(POWERS)}")
        return np.isin(POWERS, found).astype(np.int8)


def squared_error(params, candidate, points):
    x, y = points.T
    return jnp.mean((jnp.polyval(params["weights"] * candidate.astype(x.dtype), x) - y) ** 2)


class ToyProblem(Problem):
    objective = "mse"

    def __init__(self, data, options):
        parts = np.split(data.points, np.array([4, 5]) * len(data.points) // 6)
        self.data = dict(zip(("train", "valid", "test"), parts, strict=True))

    def init(self, key, candidate, hyperparameters):
        params = {"weights": 0.1 * jax.random.normal(key, (len(POWERS),))}
        return TrainingState({"params": params}, optax.adam(0.0).init(params))

    def train_block(self, state, candidate_of_step, hyperparameters, epoch, keys, data, block):
        def step(state, batch):
            params, candidate = state.variables["params"], candidate_of_step(batch[0])
            loss, gradient = jax.value_and_grad(squared_error)(params, candidate, batch[1])
            return state.step(optax.adam(hyperparameters["learning_rate"]), gradient), loss

        batches = jax.random.permutation(keys.order, data).reshape(4, -1, 2)
        state, losses = jax.lax.scan(step, state, (jax.random.split(keys.own, 4), batches))
        return state, losses.mean()

    def evaluate_block(self, variables, candidate, data, block):
        return squared_error(variables["params"], candidate, data)

    def metrics(self, split, values):
        return {"mse": values[0].astype(np.float64)}


def terms(model, at):
    found = zip(POWERS, model.structure, model.variables["params"]["weights"], strict=True)
    return {p: float(w) * at ** (5 - k) for k, (p, used, w) in enumerate(found) if used}


@dataclasses.dataclass(frozen=True)
class Where(Settings):
    at: float = setting(0.0, "Where the polynomial is asked.", low=-10, high=10)


@dataclasses.dataclass(frozen=True)
class Value(Prediction, Explanation):
    terms: dict[str, float]

    def text(self):
        return f"{sum(self.terms.values()):.4f} = the sum of {self.terms}"

    def to_json(self):
        return {"value": sum(self.terms.values()), "terms": self.terms}


@dataclasses.dataclass(frozen=True)
class ToyPredictor:
    model: object

    def predict(self, question):
        return [self.explain(question)]

    def explain(self, question):
        return Value(terms(self.model, question.at))


def section(runs):
    rows = [[p, f"{w:.3f}"] for run in runs.values() for p, w in run.results["terms"].items()]
    return Section("terms", "Terms", "Term by term.", [Table(["Power", "Weight"], rows)])


TOY = Method(
    name="toy",
    settings=ToySettings,
    kind=POINTS,
    load=load,
    space=lambda settings: ToySpace(POWERS, (("off", "on"),) * len(POWERS)),
    problem=ToyProblem,
    summary=lambda finished: {"terms": terms(finished.model, 1.0)},
    predictor=ToyPredictor,
    predicts=Where,
    explains=Where,
    presentation=Presentation("Toy", "Legendre, Nouvelles méthodes, 1805", sections=(section,)),
    embedded="cubic",
    objective=lambda settings: "mse",
)
