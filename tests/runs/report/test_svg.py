import re

import pytest
from matplotlib.figure import Figure

from kapl_jax.runs.report.svg import INK, SERIES, to_svg


@pytest.fixture
def drawn() -> str:
    figure = Figure(figsize=(2, 2))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=SERIES[0], marker="o")
    axes.set_title('a <b> id="x" #0072b2', color=INK)
    return str(to_svg(figure, "unique", 'says "<this>"'))


def test_references_lead_to_ids_of_the_same_figure(drawn: str) -> None:
    ids = set(re.findall(r'\sid="([^"]*)"', re.sub(r">[^<]*<", "><", drawn)))
    references = set(re.findall(r'href="#([^"]*)"', drawn)) | set(
        re.findall(r"url\(#(.*?)\)", drawn)
    )
    assert references
    assert references <= ids
    assert all(one.startswith("unique-") for one in ids)


def test_nothing_outside_is_named(drawn: str) -> None:
    assert "://" not in drawn
    assert "xmlns" not in drawn
    assert "<style" not in drawn


def test_colours_are_those_of_the_page(drawn: str) -> None:
    tags = "".join(re.findall(r"<[^>]*>", drawn))
    assert "var(--series-1)" in tags
    assert "var(--ink)" in tags
    assert SERIES[0] not in tags
    assert "#000000" not in tags
    assert "font-family" not in tags


def test_text_is_kept_and_escaped(drawn: str) -> None:
    assert 'a &lt;b&gt; id="x" #0072b2' in drawn
    assert 'aria-label="says &quot;&lt;this&gt;&quot;"' in drawn


def test_the_same_figure_gives_the_same_text() -> None:
    def draw() -> str:
        figure = Figure()
        figure.subplots().plot([0, 1], marker="o")
        return str(to_svg(figure, "name", "label"))

    assert draw() == draw()
