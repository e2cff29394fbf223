"""Known structures by name: as points of the space, and what programs know to train them."""

from __future__ import annotations

import pytest

from kapl_jax.methods.red_gnn.settings import RedGNNSettings
from kapl_jax.methods.red_gnn.space import narrowed, offered_by, parse_structure, read_structure

PUBLISHED = RedGNNSettings().published()
NBFNET = {
    **PUBLISHED,
    "message": "conditioned_product",
    "aggregation": "pna",
    "gate": "concat",
    "attention_dim": 0,
}


def test_a_preset_stands_for_its_choices_and_others_may_follow():
    base = {**PUBLISHED, "num_layers": 2, "activation": "tanh"}
    assert parse_structure("published", base, "--f") == base
    found = parse_structure("nbfnet", base, "--f")
    assert found == {**NBFNET, "num_layers": 2}
    found = parse_structure("message=sum, nbfnet, message=query_product, gate=off", base, "--f")
    assert found == {**NBFNET, "num_layers": 2, "message": "query_product", "gate": "off"}
    assert read_structure({"structure": NBFNET}) == NBFNET


def test_structures_of_a_run_may_be_presets():
    made = RedGNNSettings(structure="published|nbfnet|nbfnet, aggregation=sum", presets="none")
    space = made.space()
    assert set(space.presets()) == {"published", "nbfnet"}
    assert space.values(space.presets()["nbfnet"]) == NBFNET
    assert space.values(space.presets()["published"]) == PUBLISHED
    assert space.values(space.parse("nbfnet, aggregation=sum", "--f")) == {
        **NBFNET,
        "aggregation": "sum",
    }


def test_a_preset_that_is_not_offered_is_none_of_the_space():
    assert set(RedGNNSettings(structure="").space().presets()) == {"published"}
    searched = RedGNNSettings(
        structure="",
        search_messages="sum,conditioned_product",
        search_aggregations="sum,pna",
        search_gates="on,concat",
        search_attention_dims="0,5",
    )
    assert set(searched.space().presets()) == {"published", "nbfnet"}


@pytest.mark.parametrize("structure", [PUBLISHED, NBFNET])
def test_at_the_end_a_program_knows_no_part_of_the_other_preset_that_costs(structure):
    space = RedGNNSettings(structure="published|nbfnet", presets="none").space()
    offered = narrowed(offered_by(space), structure)
    assert offered.messages == (structure["message"],)
    assert offered.aggregations == (structure["aggregation"],)
    assert offered.gates == (structure["gate"],)
    # An index of the candidate must stay right where there still is a choice.
    index_of = dict(zip(space.names, space.candidate(structure).tolist(), strict=True))
    widths = offered.attention_dims
    width = widths[index_of["attention_dim"]] if len(widths) > 1 else widths[0]
    assert width == structure["attention_dim"]


def test_structures_of_the_search_by_default_share_a_program():
    space = RedGNNSettings(structure="").space()
    offered = offered_by(space)
    found = {narrowed(offered, {**PUBLISHED, "gate": gate}) for gate in ("on", "off")}
    assert len(found) == 1
    assert next(iter(found)).gates == ("on", "off")
