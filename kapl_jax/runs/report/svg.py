"""Matplotlib figures as SVG inside the page: its colours, its font, no outside reference."""

from __future__ import annotations

import io
import re
from html import escape

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

from kapl_jax.drawing import GRID, INK, MUTED, SERIES, any_script

# Colours drawn with are names for colours of the page, which has its own for light and for dark.
_PAGE_COLOURS = {
    **{INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--grid)", "#000000": "currentColor"},
    **{colour: f"var(--series-{index})" for index, colour in enumerate(SERIES, start=1)},
}


def to_svg(figure: Figure, name: str, label: str) -> Markup:
    """Return `figure` as an inline `<svg>` element.

    Args:
        figure: The figure; it is drawn without a background.
        name: Unique in the page; ids inside the SVG start with it.
        label: What the figure shows in words, for screen readers.
    """
    stream = io.StringIO()
    fonts = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name})
    with fonts, any_script(figure):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"<[^>]*>", lambda tag: _for_page(tag[0], name), drawing)
    return Markup(drawing.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def _for_page(tag: str, name: str) -> str:
    """Return a tag of the drawing with ids of its own and the style of the page."""
    if tag.startswith("<svg"):
        return re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", tag)
    tag = re.sub(r'\sid="', f' id="{name}-', tag)
    tag = tag.replace("xlink:href=", "href=").replace('href="#', f'href="#{name}-')
    tag = tag.replace("url(#", f"url(#{name}-")
    tag = re.sub(r'font-family: [^;"]*(; )?', "", tag)
    return re.sub(r"#[0-9a-f]{6}\b", lambda colour: _PAGE_COLOURS.get(colour[0], colour[0]), tag)
