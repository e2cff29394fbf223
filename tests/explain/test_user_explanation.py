from __future__ import annotations

import copy

from kapl_jax.explain.user_explanation import explanation_pictures, explanation_text

PNG = b"\x89PNG\r\n\x1a\n"
EXPLANATION = {
    "structure": "shift; -",
    "expressions": ["h0 = leaky_relu([item, user] + φ4)", "h1 = leaky_relu(W1 h0 + b1)"],
    "users": [
        {
            "user": "this user",
            "support_sizes": [0, 1, 2],
            "phi": {
                "positions": [0],
                "operations": ["shift"],
                "norms": [[0.25], [1.5], [0.75]],
                "projection": [[0, 0], [1, 0], [1, 1]],
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
    ],
}


def changed(**changes):
    found = copy.deepcopy(EXPLANATION)
    found["users"][0] |= changes
    return found


def test_every_line():
    assert explanation_text(EXPLANATION).splitlines() == [
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
    assert "  x:+1.0; -" in explanation_text(
        {**EXPLANATION, "expressions": [], "structure": "x:+1.0; -"}
    )


def test_what_is_missing_is_left_out():
    nothing = {"positions": [], "operations": [], "norms": [[], []], "projection": []}
    for missing in ({"phi": None}, {"phi": nothing}):
        assert "size of φ" not in explanation_text(changed(**missing))
        assert list(explanation_pictures(changed(**missing))) == ["influence.png"]
    assert "what the ratings do" not in explanation_text(changed(influence=None))
    assert list(explanation_pictures(changed(influence=None))) == ["phi.png"]


def test_no_more_than_ten_ratings_are_listed():
    items = [{"item": f"i{n}", "rating": 1.0, "effect": 1.0 / (n + 1)} for n in range(12)]
    influence = {"query_item": "Winter", "prediction": 1.0, "items": items}
    shown = explanation_text(changed(influence=influence))
    assert "i9, rated" in shown
    assert "i10, rated" not in shown


def test_pictures_are_png():
    pictures = explanation_pictures(EXPLANATION)
    assert set(pictures) == {"phi.png", "influence.png"}
    assert all(picture.startswith(PNG) for picture in pictures.values())
