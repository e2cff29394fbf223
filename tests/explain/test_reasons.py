from kapl_jax.explain.reasons import Influence, PhiPath, SupportItem, UserReasons, read_reasons


def test_reasons_are_read():
    entry = {
        "users": [
            {
                "user": "u1",
                "support_sizes": [0, 3],
                "phi": {
                    "positions": [1],
                    "operations": ["shift"],
                    "norms": [[0.0], [1.0]],
                    "projection": [[0, 0], [1, 1]],
                },
                "influence": {
                    "query_item": "i7",
                    "prediction": 1,
                    "items": [{"item": "i3", "rating": 4, "effect": -0.1}],
                },
            },
            {"user": 2},
        ]
    }
    assert read_reasons(entry) == [
        UserReasons(
            "u1",
            PhiPath([0, 3], [1], ["shift"], [[0.0], [1.0]], [[0, 0], [1, 1]]),
            Influence("i7", 1.0, [SupportItem("i3", 4.0, -0.1)]),
        ),
        UserReasons("2", None, None),
    ]


def test_no_reasons_are_an_empty_list():
    assert read_reasons(None) == read_reasons({}) == []
