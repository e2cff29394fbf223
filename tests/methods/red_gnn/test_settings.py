from __future__ import annotations

import dataclasses

import pytest

from kapl_jax.errors import UserError
from kapl_jax.methods.red_gnn.defaults import SUGGESTED
from kapl_jax.methods.red_gnn.problem import RedGNNOptions
from kapl_jax.methods.red_gnn.settings import RedGNNSettings, reasoning_options
from kapl_jax.methods.structures import given_structures, preset_structures
from kapl_jax.relational.choices import Offered
from kapl_jax.runs.settings import identity, make_settings
from tests.methods.red_gnn.tiny import PUBLISHED


def by_name(structures, settings):
    return {name: settings.space().values(one) for name, one in structures.items()}


def given(settings):
    """Return the choices of the given structures by name."""
    return by_name(given_structures(settings, settings.space()), settings)


def presets(settings):
    return by_name(preset_structures(settings, settings.space()), settings)


def options(settings, final=False, **choices):
    """Return the options for the published structure with other choices."""
    candidate = settings.space().candidate({**settings.published(), **choices})
    return reasoning_options(settings, candidate, final)


def test_by_default_the_published_structure_is_trained():
    made = RedGNNSettings()
    assert given(made) == {"published": PUBLISHED}
    assert presets(made) == {"published": PUBLISHED}
    assert made.space().axes == tuple((value,) for value in PUBLISHED.values())
    assert options(made).offered == Offered()
    assert made.hyperparameters() == {
        name: getattr(made, name) for name in ("learning_rate", "weight_decay", "decay", "dropout")
    }


@pytest.mark.parametrize("dataset", SUGGESTED)
def test_what_is_suggested_are_settings(dataset):
    made = make_settings(RedGNNSettings, {"dataset": dataset, "workdir": ""}, SUGGESTED)
    for name, value in SUGGESTED[dataset].items():
        assert getattr(made, name) == value
    given = {"dataset": "unknown", "workdir": ""}
    assert make_settings(RedGNNSettings, given, SUGGESTED) == RedGNNSettings(**given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fact_share": 0.0}, "--fact_share=0.0: expected more than 0 and less than 1"),
        ({"fact_share": 1.0}, "--fact_share=1.0: expected more than 0"),
        ({"fact_share": 1.5}, "--fact_share=1.5: expected more than 0"),
        ({"top_k": 3, "regime": "dense"}, "--regime=dense: given with --top_k"),
        ({"num_layers": 0}, "--num_layers=0: out of range, expected"),
        ({"dropout": 0.95}, "--dropout=0.95: out of range"),
        ({"learning_rate": float("nan")}, "--learning_rate=nan: expected a finite number"),
        ({"structure": "oops"}, "--structure: found 'oops', expected NAME=VALUE"),
        ({"structure": "published|message=x"}, "--structure: found 'x' for message"),
        ({"structure": "", "search_messages": "x"}, "--search_messages: found 'x' for message"),
        ({"structure": "", "search_layers": "3,0"}, "--search_layers: found '0' for num_layers"),
        ({"structure": "", "search_gates": ","}, "--search_gates: empty, expected some of on"),
        (
            {"message": "rotation", "hidden_dim": 5},
            "--hidden_dim, --search_hidden_dims, --structure: found the odd width 5",
        ),
        (
            {"structure": "message=rotation,hidden_dim=5"},
            "--hidden_dim, --search_hidden_dims, --structure: found the odd width 5",
        ),
        (
            {"structure": "", "search_hidden_dims": "8,7"},
            "--hidden_dim, --search_hidden_dims, --structure: found the odd width 7",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_with_the_flag(changes, message):
    with pytest.raises(UserError) as caught:
        RedGNNSettings(**changes)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_is_one_line_with_the_flag():
    with pytest.raises(UserError) as caught:
        presets(RedGNNSettings(presets="some"))
    expected = "--presets: found 'some', expected 'all', 'none' or some of published"
    assert str(caught.value) == expected


def test_an_odd_width_is_fine_without_rotations():
    made = RedGNNSettings(structure="", search_messages="sum,product", hidden_dim=5)
    assert made.space().axes[-1] == (5,)


def test_given_structures_change_the_single_flags():
    made = RedGNNSettings(
        structure=" message=product | published | num_layers=3, gate=off |", activation="tanh"
    )
    base = {**PUBLISHED, "activation": "tanh"}
    assert given(made) == {
        "given-1": {**base, "message": "product"},
        "published": base,
        "given-3": {**base, "num_layers": 3, "gate": "off"},
    }


def test_the_space_of_given_structures_holds_just_what_they_need():
    made = RedGNNSettings(structure="message=product|num_layers=3")
    axes = dict(zip(made.space().names, made.space().axes, strict=True))
    assert axes["message"] == ("product", "sum")
    assert axes["num_layers"] == (4, 3)
    assert axes["activation"] == ("relu",)
    base = made.published()
    assert given(made) == {
        "given-1": {**base, "message": "product"},
        "given-2": {**base, "num_layers": 3},
    }
    assert presets(made) == {"published": base}


def test_the_space_of_a_search_holds_what_is_searched_and_the_preset():
    made = RedGNNSettings(structure="", search_messages="product", search_layers="2,3")
    axes = dict(zip(made.space().names, made.space().axes, strict=True))
    assert axes["message"] == ("product", "sum")
    assert axes["num_layers"] == (2, 3, 4)
    assert axes["attention_dim"] == (3, 5, 8)
    assert axes["hidden_dim"] == (48,)
    assert given(made) == {}
    assert presets(made) == {"published": made.published()}
    alone = RedGNNSettings(
        structure="", search_messages="product", search_layers="2,3", presets="none"
    )
    axes = dict(zip(alone.space().names, alone.space().axes, strict=True))
    assert axes["message"] == ("product",)
    assert axes["num_layers"] == (2, 3)
    assert presets(alone) == {}


def test_structures_of_equal_depth_and_width_share_their_options():
    made = RedGNNSettings(structure="", search_layers="2,3", search_hidden_dims="8,16")
    one = options(made, num_layers=2, hidden_dim=8)
    same = options(made, num_layers=2, hidden_dim=8, message="product", attention_dim=8)
    assert one == same
    assert hash(one) == hash(same)
    assert one != options(made, num_layers=3, hidden_dim=8)
    assert one != options(made, num_layers=2, hidden_dim=16)


def test_at_the_end_programs_know_one_message_and_aggregation():
    made = RedGNNSettings(structure="")
    searched = options(made, message="product", aggregation="max").offered
    assert searched.messages == ("sum", "product", "rotation")
    last = options(made, final=True, message="product", aggregation="max").offered
    assert (last.messages, last.aggregations) == (("product",), ("max",))
    assert dataclasses.replace(searched, messages=("product",), aggregations=("max",)) == last
    # Those given alone train in the same programs throughout.
    assert options(RedGNNSettings(), final=True) == options(RedGNNSettings())


def test_every_option_is_a_setting():
    """None is forgotten on the way from the flag to the problem."""
    other = {
        "num_layers": 2,
        "hidden_dim": 8,
        "batch_size": 7,
        "fact_share": 0.5,
        "top_k": 3,
        "most_edges": 9,
    }
    derived = {"offered", "dropout", "data_seed", "regime"}
    assert set(other) | derived == {field.name for field in dataclasses.fields(RedGNNOptions)}
    found = options(RedGNNSettings(**other, seed=3, dropout=0.0, activation="tanh"))
    expected = RedGNNOptions(
        **other, offered=Offered(activations=("tanh",)), dropout=False, data_seed=3
    )
    assert found == expected
    assert options(RedGNNSettings(regime="frontier")).regime == "frontier"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"dropout": 0.0}, False), ({"dropout": 0.1}, True), ({"tuning_samples": 2}, True)],
)
def test_dropout_costs_only_where_it_is_used(changes, expected):
    assert options(RedGNNSettings(**{"dropout": 0.0, **changes})).dropout is expected


def test_tuning_tries_the_given_numbers_first_and_others_within_bounds():
    made = RedGNNSettings(tuning_samples=30, learning_rate=0.01, weight_decay=1e-3)
    samples = made.sampled_hyperparameters()
    assert len(samples) == 30
    assert samples[0] == made.hyperparameters()
    assert samples == made.sampled_hyperparameters()
    for one in samples[1:]:
        assert set(one) == set(made.hyperparameters())
        assert 0.01 / 3 <= one["learning_rate"] <= 0.03
        assert 1e-4 <= one["weight_decay"] <= 1e-2
        assert 0.99 <= one["decay"] <= 1.0
        assert 0.0 <= one["dropout"] <= 0.5
    assert len({one["learning_rate"] for one in samples}) == 30
    other = dataclasses.replace(made, seed=1).sampled_hyperparameters()
    assert other[0] == samples[0]
    assert other[1] != samples[1]


def test_a_run_is_the_same_wherever_and_however_it_is_done():
    ways = {"data_dir": "x", "workdir": "y", "cpu_devices": 3, "log_progress": False}
    assert identity(RedGNNSettings(**ways)) == identity(RedGNNSettings())
    for name, value in {"seed": 1, "epochs": 3, "regime": "dense", "dropout": 0.2}.items():
        assert identity(RedGNNSettings(**{name: value})) != identity(RedGNNSettings())
