from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from kapl_jax.drawing import SERIES
from kapl_jax.errors import UserError
from kapl_jax.explain.user_explanation import (
    Influence,
    ModulationExplanation,
    Phi,
    SupportItem,
    UserExplanation,
    influence_figure,
    phi_figure,
)

PNG = b"\x89PNG\r\n\x1a\n"
USER = UserExplanation(
    "this user",
    (0, 1, 2),
    Phi((0,), ("shift",), ((0.25,), (1.5,), (0.75,)), ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))),
    Influence(
        "Winter",
        3.14159,
        (SupportItem("Summer", 2.5, -0.12345), SupportItem("Spring", 4.0, 0.01)),
    ),
)
EXPLANATION = ModulationExplanation(
    "shift; -",
    ("h0 = leaky_relu([item, user] + φ4)", "h1 = leaky_relu(W1 h0 + b1)"),
    (USER,),
)


def changed(**changes):
    return dataclasses.replace(EXPLANATION, users=(dataclasses.replace(USER, **changes),))


def test_every_line():
    assert EXPLANATION.text().splitlines() == [
        "how the model is modulated",
        "  h0 = leaky_relu([item, user] + φ4)",
        "  h1 = leaky_relu(W1 h0 + b1)",
        "size of φ, from no rating to all 2",
        "  shift at position 0: 0.250 -> 0.750",
        "what the ratings do to Winter, predicted 3.142",
        "  -0.1235  Summer, rated 2.5",
        "  +0.0100  Spring, rated 4",
    ]


def test_without_expressions_the_structure_is_shown():
    plain = dataclasses.replace(EXPLANATION, expressions=(), structure="x:+1.0; -")
    assert "  x:+1.0; -" in plain.text()


def test_what_is_missing_is_left_out():
    nothing = Phi(norms=((), (), ()))
    for missing in ({"phi": None}, {"phi": nothing}):
        assert "size of φ" not in changed(**missing).text()
        assert list(changed(**missing).pictures()) == ["influence.png"]
    for missing in (None, Influence("Winter", 1.0, ())):
        assert "what the ratings do" not in changed(influence=missing).text()
        assert list(changed(influence=missing).pictures()) == ["phi.png"]


def test_no_more_than_ten_ratings_are_listed():
    items = tuple(SupportItem(f"i{n}", 1.0, 1.0 / (n + 1)) for n in range(12))
    shown = changed(influence=Influence("Winter", 1.0, items)).text()
    assert "i9, rated" in shown
    assert "i10, rated" not in shown


def test_pictures_are_png():
    pictures = EXPLANATION.pictures()
    assert set(pictures) == {"phi.png", "influence.png"}
    assert all(picture.startswith(PNG) for picture in pictures.values())


def test_what_is_written_is_read_again():
    written = json.loads(json.dumps(EXPLANATION.to_json()))
    assert ModulationExplanation.from_json(written) == EXPLANATION
    assert written["users"] == [
        {
            "user": "this user",
            "support_sizes": [0, 1, 2],
            "phi": {
                "positions": [0],
                "operations": ["shift"],
                "norms": [[0.25], [1.5], [0.75]],
                "projection": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]],
            },
            "influence": {
                "query_item": "Winter",
                "prediction": 3.14159,
                "items": [
                    {"item": "Summer", "rating": 2.5, "effect": -0.12345},
                    {"item": "Spring", "rating": 4.0, "effect": 0.01},
                ],
            },
        }
    ]


def test_a_user_of_whom_little_is_known_is_read():
    assert UserExplanation.from_json({"user": "u", "phi": None}) == UserExplanation("u")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": 3}, "users[0].user: found a number, expected text"),
        ({"support_sizes": [0, 1]}, "users[0]: phi: found 3 values, expected 2"),
        (
            {"phi": {"operations": ["max"], "positions": [0, 1]}},
            "users[0]: phi: found 2 values, expected 1",
        ),
        ({"phi": {"norms": [[1.0], [], []]}}, "users[0]: phi: found 1 values, expected 0"),
        (
            {"influence": {"query_item": "i", "prediction": 1, "items": [{"item": "i"}]}},
            "users[0].influence.items[0].rating: missing",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(changes, said):
    with pytest.raises(UserError) as caught:
        UserExplanation.from_json({**USER.to_json(), **changes}, "users[0]")
    assert str(caught.value) == said


def path(name, *points):
    sizes = tuple(5 * index for index in range(len(points)))
    return UserExplanation(name, sizes, Phi((0,), ("shift",), (), points))


def test_paths_go_from_the_first_size_to_the_last():
    first = path("a $b$", (0.0, 0.0), (1.0, 2.0), (3.0, 1.0))
    users = [first, UserExplanation("still"), path("c", (0.0, 0.0), (-1.0, 0.5))]
    (axes,) = phi_figure(users).axes
    first, second = axes.lines
    assert first.get_xydata().tolist() == [[0, 0], [1, 2], [3, 1]]
    assert second.get_color() != first.get_color()
    numbers = {text.get_text(): tuple(text.xy) for text in axes.texts}
    assert numbers == {"0": (0, 0), "10": (3, 1), "5": (-1, 0.5)}, "a shared start is told once"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [r"a \$b\$", "c"]


def test_a_user_without_support_is_a_single_dot():
    (axes,) = phi_figure([path("a", (1.0, 1.0))]).axes
    assert [text.get_text() for text in axes.texts] == ["0"]


def influenced(name, *effects):
    items = tuple(SupportItem(f"i{k}", 4.5, effect) for k, effect in enumerate(effects))
    return UserExplanation(name, influence=Influence("i7", 0.8, items))


def test_the_heaviest_items_come_first_and_colours_tell_the_sign():
    (axes,) = influence_figure([influenced("u", 0.01, -0.3, 0.2), influenced("new")]).axes
    assert [bar.get_width() for bar in axes.patches] == [-0.3, 0.2, 0.01]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [f"i{k} (rated 4.5)" for k in (1, 2, 0)]
    red, green, blue, _ = axes.patches[0].get_facecolor()
    assert f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}" == SERIES[1]
    assert axes.get_title(loc="left") == "u, prediction for i7: 0.8"


def test_long_lists_and_names_are_cut():
    many = influenced("u", *np.linspace(0.1, 1, 30).tolist())
    long = UserExplanation("v", influence=Influence("i7", 0.8, (SupportItem("x" * 80, 1.0, 0.1),)))
    first, second = influence_figure([many, long]).axes
    assert len(first.patches) == 8
    assert len(second.get_yticklabels()[0].get_text()) < 45


def test_importing_the_module_does_not_import_matplotlib():
    module = "kapl_jax.explain.user_explanation"
    code = f"import sys, {module}; sys.exit(int('matplotlib' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
