from __future__ import annotations

import dataclasses
import sys

import pytest
from absl import flags

from kapl_jax.errors import UserError
from kapl_jax.methods.autoblm.settings import AutoBLMSettings
from kapl_jax.methods.coldnas.defaults import suggested
from kapl_jax.methods.coldnas.settings import ColdNASSettings
from kapl_jax.runs.settings import check_ranges, define_flags, from_flags, identity, setting


@dataclasses.dataclass(frozen=True)
class Toy:
    size: int = setting(3, "How many.", low=1, high=9)
    rate: float = setting(0.5, "How fast.", low=0)
    most: float = setting(0.5, "How far.", high=2)
    kind: str = setting("a", "Which.", choices=["a", "b"])
    name: str = setting("", "Called.", identity=False)
    loud: bool = setting(True, "Say so.", identity=False)


@dataclasses.dataclass(frozen=True)
class Odd:
    sizes: dict = setting(None, "What for.")  # noqa: RUF009


@pytest.fixture
def values(monkeypatch):
    """Flags of their own: absl keeps one set for a whole process."""
    own = flags.FlagValues()
    monkeypatch.setattr("kapl_jax.runs.settings.flags.FLAGS", own)
    for kind in ("enum", "bool", "integer", "float", "string"):
        name = f"DEFINE_{kind}"
        real = getattr(flags, name)

        def define(*args, real=real):
            return real(*args, flag_values=own)

        monkeypatch.setattr(f"kapl_jax.runs.settings.flags.{name}", define)
    return own


def parse(values, settings, *arguments, **keywords):
    define_flags(settings)
    values(["program", *arguments])
    return from_flags(settings, **keywords)


def test_defaults(values):
    assert parse(values, Toy) == Toy()


def test_every_kind_of_flag(values):
    given = ("--size=9", "--rate=1e-3", "--kind=b", "--name=x y", "--noloud")
    assert parse(values, Toy, *given) == Toy(9, 1e-3, 0.5, "b", "x y", False)


@pytest.mark.parametrize("settings", [Toy, AutoBLMSettings, ColdNASSettings])
def test_every_field_is_a_flag_with_help(values, settings):
    define_flags(settings)
    shown = values.get_help()
    for field in dataclasses.fields(settings):
        flag = values[field.name]
        choices = f"<{'|'.join(field.metadata['choices'])}>: "
        assert flag.default == field.default
        assert flag.help.removeprefix(choices).startswith(field.metadata["meaning"])
        assert len(field.metadata["meaning"]) > 3
        assert f"--{'[no]' if isinstance(field.default, bool) else ''}{field.name}:" in shown
    # The flags of a program's own module are the ones that --help shows.
    shown_first = values.get_key_flags_for_module(sys.argv[0])
    assert {flag.name for flag in shown_first} >= {f.name for f in dataclasses.fields(settings)}


def test_help_tells_ranges_and_choices(values):
    define_flags(Toy)
    assert values["size"].help == "How many. Allowed: 1 to 9."
    assert values["rate"].help == "How fast. Allowed: at least 0."
    assert values["most"].help == "How far. Allowed: at most 2."
    assert "<a|b>" in values.get_help()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--size=0", "--size=0: out of range, expected 1 to 9"),
        ("--size=10", "--size=10: out of range, expected 1 to 9"),
        ("--rate=-0.1", "--rate=-0.1: out of range, expected at least 0"),
        ("--rate=nan", "--rate=nan: out of range, expected at least 0"),
        ("--most=nan", "--most=nan: out of range, expected at most 2"),
    ],
)
def test_out_of_range(values, argument, message):
    with pytest.raises(UserError) as caught:
        parse(values, Toy, argument)
    assert str(caught.value) == message


@pytest.mark.parametrize("argument", ["--size=x", "--kind=c", "--unknown=1", "--loud=perhaps"])
def test_what_absl_refuses(values, argument):
    with pytest.raises(flags.Error):
        parse(values, Toy, argument)


def test_check_ranges_of_any_object():
    check_ranges(Toy(size=1, rate=0, most=-5.0))
    with pytest.raises(UserError, match="--size=-1"):
        check_ranges(Toy(size=-1))


def test_identity_leaves_out_what_changes_no_result():
    assert identity(Toy(size=4)) == {"size": 4, "rate": 0.5, "most": 0.5, "kind": "a"}


def test_a_type_without_a_flag_is_refused(values):
    with pytest.raises(TypeError, match=r"Odd\.sizes: no flag for the type <class 'dict'>"):
        define_flags(Odd)


@dataclasses.dataclass(frozen=True)
class Sized:
    dataset: str = setting("small", "What on.")
    size: int = setting(3, "How many.", low=1, high=9)
    rate: float = setting(0.5, "How fast.", low=0)
    loud: bool = setting(True, "Say so.")


FITTING = {"small": {"size": 7, "loud": False}, "large": {"rate": 2.0}}


def fitting(dataset):
    return FITTING.get(dataset, {})


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
def test_what_suits_the_data_is_taken_for_flags_not_given(values, arguments, expected):
    assert parse(values, Sized, *arguments, suggested=fitting) == expected


def test_what_is_suggested_is_checked_too(values):
    with pytest.raises(UserError, match="--size=0: out of range, expected 1 to 9"):
        parse(values, Sized, suggested=lambda dataset: {"size": 0})


def test_coldnas_suits_itself_to_the_generated_users(values):
    made = parse(values, ColdNASSettings, "--seeds=2", "--epochs=40", suggested=suggested)
    expected = {**suggested("planted"), "seeds": 2, "epochs": 40}
    assert made == ColdNASSettings(**expected)
    assert made != ColdNASSettings(seeds=2)
