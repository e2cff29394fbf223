"""Recommendations to a new user, from a run whose model was kept untrained."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.coldnas.method import COLDNAS
from kapl_jax.methods.coldnas.network_space import NetworkSpace
from kapl_jax.methods.coldnas.problem import ColdNASProblem
from kapl_jax.methods.coldnas.recommender import (
    ColdNASRecommender,
    Recommendations,
    UserExplanationQuestion,
    UserQuestion,
)
from kapl_jax.methods.models import ModelStore
from kapl_jax.methods.trained import TrainedModel, load_trained
from kapl_jax.methods.trained_on import DataSource
from kapl_jax.modulation.structures import parse_structure
from kapl_jax.runs.run_directory import Run, RunDirectory, read_run
from kapl_jax.runs.settings import identity
from tests.data.graph_folders import write
from tests.methods.coldnas.by_hand import features_of, predictions_by_hand, slow_user
from tests.methods.coldnas.runs import ITEMS, data_of, small_settings
from tests.methods.coldnas.slow import SlowUser

pytestmark = pytest.mark.usefixtures("compiled_plainly")

STRUCTURE = parse_structure("scale shift; max", "here")
# What a network can be of it.
PART = parse_structure("scale shift; -", "here")


def write_run(folder, settings, structure) -> Run:
    """Write a run with an untrained model."""
    data = data_of(settings)
    config = {"method": "coldnas", "settings": identity(settings), "dataset": data.describe()}
    RunDirectory.open(folder, config).close()
    problem = ColdNASProblem(data, COLDNAS.options(settings, structure, True))
    parameters = jax.jit(problem.init_parameters)(jax.random.key(0), structure)
    # Far from its start, so that predictions differ.
    variables = {"params": jax.tree.map(lambda leaf: 3 * np.asarray(leaf), parameters)}
    description = {"name": "searched-1", **COLDNAS.space(settings).record(structure)}
    ModelStore(folder / "checkpoints").keep_best(variables, description)
    return read_run(folder)


def load(run: Run) -> TrainedModel:
    return load_trained(COLDNAS, run, DataSource())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, compiled_plainly):
    """A folder with ratings, of which training never saw item 8, and a run."""
    folder = tmp_path_factory.mktemp("user")
    settings = small_settings(folder)
    hide_item(folder / "ratings" / "ratings.csv", settings)
    write_run(folder / "run", settings, STRUCTURE)
    return folder


def hide_item(ratings, settings):
    """Rename the item that training users rate least into others that they have not rated."""
    data = data_of(settings)
    train = {data.users[user] for user in data.train.users}
    lines = ratings.read_text().splitlines()
    kept = [lines[0]]
    rated = {(row.split(",")[0], row.split(",")[1]) for row in lines[1:]}
    for user, item, rating in (row.split(",") for row in lines[1:]):
        other = item
        if user in train and item == "i8":
            other = next(f"i{n}" for n in range(8) if (user, f"i{n}") not in rated)
            rated.add((user, other))
        kept.append(f"{user},{other},{rating}")
    write(ratings, kept)


@pytest.fixture(scope="module")
def trained(folder) -> TrainedModel:
    return load(read_run(folder / "run"))


@pytest.fixture(scope="module")
def recommender(trained) -> ColdNASRecommender:
    return COLDNAS.predictor(trained)


def ratings_of(folder, *rows):
    """Return a file of a new user's ratings."""
    write(folder / "user.csv", ["item,rating", *rows])
    return str(folder / "user.csv")


def recommend(recommender, folder, *rows, top=100, features="") -> Recommendations:
    question = UserQuestion(ratings=ratings_of(folder, *rows), user_features=features, top=top)
    (found,) = recommender.predict(question)
    assert found.error is None
    return found


def explain(recommender, folder, *rows, item=""):
    ratings = ratings_of(folder, *rows)
    return recommender.explain(UserExplanationQuestion(ratings=ratings, item=item))


def by_hand(trained, ratings, jobs=(0,)):
    """Return the prediction for every item by its name."""
    data = trained.data
    low, high = data.rating_range
    fields = [features_of(data.item_features, row) for row in range(len(data.items))]
    rated = [
        (fields[data.items.index(item)], (rating - low) / (high - low))
        for item, rating in ratings.items()
    ]
    user = SlowUser([list(jobs)], rated, [(one, 0.0) for one in fields])
    parameters = trained.variables["params"]["model"]
    found = predictions_by_hand(parameters, trained.structure, data, user)
    return dict(zip(data.items, found, strict=True))


def test_items_not_rated_are_ranked_by_predicted_rating(trained, recommender, folder):
    found = recommend(recommender, folder, "i1,5", "Title 3,1.0").items
    assert {one.item for one in found} == {f"i{n}" for n in range(ITEMS)} - {"i1", "i3"}
    ratings = [one.rating for one in found]
    assert ratings == sorted(ratings, reverse=True)
    assert max(ratings) > min(ratings) + 1e-3
    expected = by_hand(trained, {"i1": 5, "i3": 1})
    for one in found:
        assert one.rating == pytest.approx(expected[one.item], rel=1e-5)
        assert one.title == f"Title {one.item[1:]}"
        assert one.seen is (one.item != "i8")
    assert recommend(recommender, folder, "i1,5", "Title 3,1.0", top=3).items == found[:3]


def test_the_same_as_the_model_says_of_its_test_users(recommender, folder):
    """A test user's query items, asked for as a new user's."""
    data, model = recommender.model.data, recommender.model
    tasks = data.test
    predicted = model.predict(model.tasks(tasks))
    for index in range(tasks.num_users):
        support = zip(tasks.support_items[index], tasks.support_ratings[index], strict=True)
        rows = [f"{data.items[item]},{rating:g}" for item, rating in support]
        job = slow_user(data, tasks, index).fields[0]
        names = {row: name for name, row in data.user_features.vocabularies[0].items()}
        told = recommend(recommender, folder, *rows, features=f"job={names[job[0]]}")
        found = {one.item: one.rating for one in told.items}
        for item, expected in zip(tasks.query_items[index], predicted[index], strict=True):
            assert found[data.items[item]] == pytest.approx(expected, rel=1e-5)


def test_features_of_the_user_count(trained, recommender, folder):
    jobs = trained.data.user_features.vocabularies[0]
    best = recommend(recommender, folder, "i1,5", features="job=b").items[0]
    expected = by_hand(trained, {"i1": 5}, jobs=[jobs["b"]])
    assert best.rating == pytest.approx(expected[best.item], rel=1e-5)
    unknown = by_hand(trained, {"i1": 5})
    assert abs(expected[best.item] - unknown[best.item]) > 1e-4


def test_items_and_features_that_training_never_saw_work_and_are_told(trained, recommender, folder):
    found = recommend(recommender, folder, "i8,5", "i2,1", features="job=pilot")
    unseen, feature = found.warnings
    assert unseen.endswith(
        "user.csv: training never had 1 rated item, known by features alone; the first is 'i8'"
    )
    assert feature.startswith("--user_features: job 'pilot' does not occur in training")
    expected = by_hand(trained, {"i8": 5, "i2": 1})
    for one in found.items:
        assert one.rating == pytest.approx(expected[one.item], rel=1e-5)
    # Their ratings count like others.
    other = by_hand(trained, {"i8": 1, "i2": 1})
    assert max(abs(expected[item] - other[item]) for item in expected) > 1e-4


def test_nothing_is_told_of_what_is_known(recommender, folder):
    assert recommend(recommender, folder, "i1,5", features="job=a").warnings == ()


def test_what_is_odd_is_told_when_explaining(recommender, folder, capsys):
    explain(recommender, folder, "i8,5")
    assert "training never had 1 rated item" in capsys.readouterr().err


def test_a_question_without_ratings_is_refused(recommender):
    for ask in (
        lambda: recommender.predict(UserQuestion()),
        lambda: recommender.explain(UserExplanationQuestion(item="i1")),
    ):
        with pytest.raises(
            UserError, match=r"--ratings: missing, expected a CSV file with the header"
        ):
            ask()


def test_a_user_who_rated_everything(recommender, folder):
    everything = [f"i{n},3" for n in range(ITEMS)]
    for ask in (recommend, explain):
        with pytest.raises(UserError, match="--ratings: found all 9 items of ratings rated"):
            ask(recommender, folder, *everything)
    assert explain(recommender, folder, *everything, item="i2").users


@pytest.mark.parametrize("item", ["i5", "Title 5"])
def test_the_item_asked_is_explained(trained, recommender, folder, item):
    found = explain(recommender, folder, "i1,5", "i3,1", item=item)
    influence = found.users[0].influence
    expected = by_hand(trained, {"i1": 5, "i3": 1})["i5"]
    assert influence.query_item == "Title 5"
    assert influence.prediction == pytest.approx(expected, rel=1e-5)
    effects = {one.item: one.effect for one in influence.items}
    without_first = by_hand(trained, {"i3": 1})["i5"]
    assert effects["Title 1"] == pytest.approx(expected - without_first, abs=1e-5)
    without_second = by_hand(trained, {"i1": 5})["i5"]
    assert effects["Title 3"] == pytest.approx(expected - without_second, abs=1e-5)
    assert found.structure == "scale shift; max"


def test_without_an_item_the_best_is_explained(recommender, folder):
    (best,) = recommend(recommender, folder, "i1,5", "i3,1", top=1).items
    influence = explain(recommender, folder, "i1,5", "i3,1").users[0].influence
    assert influence.query_item == best.title
    assert influence.prediction == pytest.approx(best.rating, rel=1e-5)


def test_an_unknown_item_is_refused_with_the_nearest(recommender, folder):
    with pytest.raises(UserError) as caught:
        explain(recommender, folder, "i1,5", item="Titel 5")
    message = str(caught.value)
    assert message.startswith("--item: found unknown item 'Titel 5' (did you mean 'Title 5'")
    assert message.endswith("expected one of the 9 of ratings")


def test_recommendations_as_a_table_and_as_json(recommender, folder):
    found = recommend(recommender, folder, "i1,5", "i3,1", top=8)
    header, *lines = found.text().splitlines()
    assert header.split() == ["rank", "item", "predicted", "rating", "in", "training"]
    rows = [line.rsplit(maxsplit=2) for line in lines]
    assert [name.split(maxsplit=1) for name, _, _ in rows] == [
        [str(rank), one.title] for rank, one in enumerate(found.items, start=1)
    ]
    for (_, rating, seen), one in zip(rows, found.items, strict=True):
        assert float(rating) == pytest.approx(one.rating, abs=6e-4)
        assert seen == ("yes" if one.seen else "no")
    assert "no" in {seen for _, _, seen in rows}
    assert found.to_json() == [dataclasses.asdict(one) for one in found.items]
    assert json.loads(json.dumps(found.to_json())) == found.to_json()


def test_networks_recommend_too(folder, tmp_path):
    settings = small_settings(folder, search_space="networks", network_units=3)
    trained = load(write_run(tmp_path / "run", settings, NetworkSpace(2, 3).of_operations(PART)))
    assert trained.structure.dtype == np.float32
    told = recommend(COLDNAS.predictor(trained), folder, "i1,5", "i3,1")
    found = {one.item: one.rating for one in told.items}
    expected = by_hand(dataclasses.replace(trained, structure=PART), {"i1": 5, "i3": 1})
    assert len(found) == ITEMS - 2
    for item, rating in found.items():
        assert rating == pytest.approx(expected[item], rel=1e-4)


def test_other_ratings_than_in_training_are_refused(folder):
    config = json.loads((folder / "run" / "config.json").read_text())
    config["dataset"] |= {"items": 7, "digest": "other"}
    run = dataclasses.replace(read_run(folder / "run"), config=config)
    with pytest.raises(
        UserError,
        match=r"trained on another set of ratings than .*\(dataset items=7, not 9\).*--data_dir",
    ):
        load(run)


def test_an_unfinished_run_recommends_nothing(folder, tmp_path):
    run = dataclasses.replace(read_run(folder / "run"), path=tmp_path)
    with pytest.raises(UserError, match="there is no model; give the command of the run"):
        load(run)
