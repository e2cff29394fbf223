from __future__ import annotations

import dataclasses
import json
import sys

import pytest
from absl import flags

from experiments.benchmarking.bilinear import BilinearSettings
from experiments.explain import ExplainSettings
from experiments.predict import PredictSettings
from experiments.report import ReportSettings
from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.coldnas.method import COLDNAS
from kapl_jax.methods.coldnas.recommender import UserExplanationQuestion, UserQuestion
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.methods.graph_predictor import GraphExplanationQuestion, GraphQuestion
from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.runs.settings import (
    Settings,
    check_choices,
    define_flags,
    from_flags,
    identity,
    make_settings,
    setting,
)


@dataclasses.dataclass(frozen=True)
class Toy(Settings):
    size: int = setting(3, "How many.", low=1, high=9)
    rate: float = setting(0.5, "How fast.", low=0)
    most: float = setting(0.5, "How far.", high=2)
    kind: str = setting("a", "Which.", choices=["a", "b"])
    name: str = setting("", "Called.", identity=False)
    loud: bool = setting(True, "Say so.", identity=False)
    folder: str = setting("", "Where.", path=True, identity=False)
    others: tuple[str, ...] = setting((), "What else.", path=True, identity=False)
    count: int = setting(0, "How often.", low=0, identity=False)


@dataclasses.dataclass(frozen=True)
class Odd:
    sizes: dict = setting(None, "What for.")  # noqa: RUF009


def parse(flag_values, settings, *arguments, **keywords):
    define_flags(settings)
    flag_values(["program", *arguments])
    return from_flags(settings, **keywords)


def test_defaults(flag_values):
    assert parse(flag_values, Toy) == Toy()


def test_every_kind_of_flag(flag_values):
    given = ("--size=9", "--rate=1e-3", "--kind=b", "--name=x y", "--noloud", "--folder=a")
    more = ("--others=b,c", "--others=d")
    expected = Toy(9, 1e-3, 0.5, "b", "x y", False, "a", ("b,c", "d"))
    assert parse(flag_values, Toy, *given, *more) == expected


@pytest.mark.parametrize("text", ["no", "No", "off", "false", "0", "n"])
def test_a_switch_takes_the_usual_words(flag_values, text):
    define_flags(Toy)
    flag_values(["program", f"--loud={text}"])
    assert from_flags(Toy).loud is False
    opposite = {"no": "yes", "off": "on", "false": "true", "0": "1", "n": "y"}[text.lower()]
    flag_values(["program", "--noloud", f"--loud={opposite}"])
    assert from_flags(Toy).loud is True


@pytest.mark.parametrize("settings", [Toy, AutoBLMSettings, ColdNASSettings, PredictSettings])
def test_every_field_is_a_flag_with_help(flag_values, settings):
    define_flags(settings)
    shown = flag_values.get_help()
    for field in dataclasses.fields(settings):
        flag = flag_values[field.name]
        if not isinstance(field.default, tuple):
            assert flag.default == field.default
        assert flag.help.startswith(field.metadata["meaning"])
        assert len(field.metadata["meaning"]) > 3
        assert f"--{'[no]' if isinstance(field.default, bool) else ''}{field.name}:" in shown
    # The flags of a program's own module are the ones that --help shows.
    shown_first = flag_values.get_key_flags_for_module(sys.argv[0])
    assert {flag.name for flag in shown_first} >= {f.name for f in dataclasses.fields(settings)}


def test_help_tells_ranges_and_choices(flag_values):
    define_flags(Toy)
    assert flag_values["size"].help == "How many. Allowed: 1 to 9."
    assert flag_values["rate"].help == "How fast. Allowed: at least 0."
    assert flag_values["most"].help == "How far. Allowed: at most 2."
    assert "one of a, b" in flag_values.get_help()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--size=0", "--size=0: out of range, expected 1 to 9"),
        ("--size=10", "--size=10: out of range, expected 1 to 9"),
        ("--rate=-0.1", "--rate=-0.1: out of range, expected at least 0"),
        ("--rate=nan", "--rate=nan: expected a finite number"),
        ("--rate=inf", "--rate=inf: expected a finite number"),
        ("--most=-inf", "--most=-inf: expected a finite number"),
        ("--count=99999999999", "--count=99999999999: out of range, expected 0 to 2147483647"),
    ],
)
def test_out_of_range(flag_values, argument, message):
    with pytest.raises(UserError) as caught:
        parse(flag_values, Toy, argument)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--size=x", "a whole number"),
        ("--size=1e3", "a whole number"),
        ("--size=", "a whole number"),
        ("--rate=1,5", "a number"),
        ("--kind=c", "one of a, b"),
        ("--loud=perhaps", "yes or no"),
    ],
)
def test_what_is_no_value_of_a_flag(flag_values, argument, expected):
    with pytest.raises(flags.IllegalFlagValueError) as caught:
        parse(flag_values, Toy, argument)
    assert str(caught.value) == f"flag {argument}: expected {expected}"


def test_settings_made_in_python_are_checked():
    Toy(size=1, rate=0, most=-5.0)
    with pytest.raises(UserError, match="--size=-1"):
        Toy(size=-1)
    with pytest.raises(UserError, match="--rate=inf"):
        Toy(rate=float("inf"))


def test_paths_begin_at_home(flag_values, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    made = parse(flag_values, Toy, "--folder=~/runs/a", "--others=~", "--others=b/~", "--name=~/x")
    assert made.folder == "/home/ann/runs/a"
    assert made.others == ("/home/ann", "b/~")
    assert made.name == "~/x"
    assert Toy(folder="~/runs/a").folder == made.folder


# What is called a path stays one; what else is none.
PATHS = {
    AutoBLMSettings: {"workdir", "data_dir", "compilation_cache"},
    ColdNASSettings: {"workdir", "data_dir", "compilation_cache"},
    RedGNNSettings: {"workdir", "data_dir", "compilation_cache"},
    BilinearSettings: {"data_dir", "json", "compilation_cache"},
    PredictSettings: {"workdir", "data_dir", "compilation_cache"},
    GraphQuestion: {"queries"},
    UserQuestion: {"ratings"},
    ExplainSettings: {"workdir", "data_dir", "out", "compilation_cache"},
    GraphExplanationQuestion: set(),
    UserExplanationQuestion: {"ratings"},
    ReportSettings: {"workdir", "out"},
}


@pytest.mark.parametrize("settings", PATHS)
def test_every_flag_that_is_a_path_is_known_as_one(settings):
    found = {field.name for field in dataclasses.fields(settings) if field.metadata["path"]}
    assert found == PATHS[settings]


def test_identity_leaves_out_what_changes_no_result():
    assert identity(Toy(size=4)) == {"size": 4, "rate": 0.5, "most": 0.5, "kind": "a"}


def test_a_type_without_a_flag_is_refused(flag_values):
    with pytest.raises(TypeError, match=r"Odd\.sizes: no flag for the type <class 'dict'>"):
        define_flags(Odd)


@dataclasses.dataclass(frozen=True)
class Sized(Settings):
    dataset: str = setting("small", "What on.")
    size: int = setting(3, "How many.", low=1, high=9)
    rate: float = setting(0.5, "How fast.", low=0)
    loud: bool = setting(True, "Say so.")


FITTING = {"small": {"size": 7, "loud": False}, "large": {"rate": 2.0}}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), Sized("small", 7, 0.5, False)),
        (("--size=4",), Sized("small", 4, 0.5, False)),
        # Given counts, also where it is the default of all other data.
        (("--size=3", "--loud"), Sized("small", 3, 0.5, True)),
        (("--dataset=large",), Sized("large", 3, 2.0, True)),
        (("--dataset=large", "--rate=0.5"), Sized("large", 3, 0.5, True)),
        (("--dataset=other",), Sized("other", 3, 0.5, True)),
    ],
)
def test_what_suits_the_data_is_taken_for_flags_not_given(flag_values, arguments, expected):
    assert parse(flag_values, Sized, *arguments, suggested=FITTING) == expected


@dataclasses.dataclass(frozen=True)
class Continued(Sized):
    workdir: str = setting("", "Where.", path=True, identity=False)


@pytest.mark.parametrize(
    ("began_with", "called_now", "size"), [("small", "/a/b", 7), ("/a/b", "small", 3)]
)
def test_a_run_keeps_to_what_suited_the_name_it_began_with(
    flag_values, tmp_path, began_with, called_now, size
):
    config = {"settings": {"dataset": began_with}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    flags = (f"--dataset={called_now}", f"--workdir={tmp_path}")
    found = parse(flag_values, Continued, *flags, suggested=FITTING)
    assert (found.dataset, found.size) == (called_now, size)


def test_what_is_suggested_is_checked_too(flag_values):
    with pytest.raises(UserError, match="--size=0: out of range, expected 1 to 9"):
        parse(flag_values, Sized, suggested={"small": {"size": 0}})


def test_coldnas_suits_itself_to_the_generated_users(flag_values):
    given = ("--seeds=2", "--epochs=40")
    made = parse(flag_values, ColdNASSettings, *given, suggested=COLDNAS.suggested)
    assert made.dataset == COLDNAS.embedded
    expected = {**COLDNAS.suggested[COLDNAS.embedded], "seeds": 2, "epochs": 40}
    assert made == ColdNASSettings(**expected)
    assert made != ColdNASSettings(seeds=2)


def test_settings_by_name_are_as_by_flags():
    made = make_settings(Sized, {"dataset": "large", "size": 4}, FITTING)
    assert made == Sized("large", 4, 2.0, True)
    assert make_settings(Toy, {"others": ("~",)}).others != ("~",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sise": 4}, "'sise' (did you mean 'size'?): there is no such setting"),
        ({"size": "4"}, "size: found text, expected a whole number"),
        ({"size": True}, "size: found true or false, expected a whole number"),
        ({"size": 2.5}, "size: found a number, expected a whole number"),
        ({"loud": 1}, "loud: found a number, expected true or false"),
        ({"size": 0}, "--size=0: out of range, expected 1 to 9"),
    ],
)
def test_settings_by_name_that_cannot_be(given, message):
    with pytest.raises(UserError) as caught:
        make_settings(Sized, given)
    assert str(caught.value) == message


def test_whole_numbers_are_numbers():
    assert make_settings(Sized, {"rate": 2}).rate == 2


def test_what_is_no_choice_is_refused_also_without_flags():
    check_choices(Toy(kind="b"))
    with pytest.raises(UserError, match="--kind=c: expected one of a, b"):
        check_choices(Toy(kind="c"))
