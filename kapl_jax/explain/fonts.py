"""Names in any script in figures: fonts that have their letters, and what is shown where none has.

Matplotlib draws with one font unless it is told more, and warns of each letter that it lacks.
"""

from __future__ import annotations

import functools
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST = "DejaVu Sans"
# Those of Linux, macOS and Windows with the most letters; colour fonts cannot be drawn with.
_MORE = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "IPAexGothic"),
    *("IPAGothic", "NanumGothic", "PingFang SC", "Heiti TC", "Hiragino Sans"),
    *("Apple SD Gothic Neo", "Arial Unicode MS", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Noto Sans", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Thai", "FreeSans", "Unifont", "Noto Emoji", "Symbola", "Segoe UI Symbol"),
)


@contextmanager
def any_script(figure: Figure) -> Iterator[None]:
    """Draw and save `figure` with all fonts at hand, without warnings of letters that none has."""
    from matplotlib.text import Text  # noqa: PLC0415 - as in the modules that draw

    for text in figure.findobj(Text):
        text.set_fontfamily(families())  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


@functools.cache
def families() -> list[str]:
    """Return the families to draw with that are installed, and what viewers take else."""
    from matplotlib.font_manager import fontManager  # noqa: PLC0415

    installed = {font.name for font in fontManager.ttflist}
    return [_FIRST, *(name for name in _MORE if name in installed), "sans-serif"]


@functools.cache
def _fonts() -> list[Any]:
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415

    return [get_font(findfont(FontProperties(family=[name]))) for name in families()]


@functools.lru_cache(maxsize=65536)
def _has(letter: str) -> bool:
    return any(font.get_char_index(ord(letter)) for font in _fonts())


def drawable(name: str) -> str:
    r"""Return a name with letters that no font has written as `\u5317`, for pictures of dots."""
    return "".join(
        letter if _has(letter) or letter == "\n" else ascii(letter).strip("'") for letter in name
    )


def split_drawable(name: str) -> tuple[str, float]:
    """Return the letters of a name that some font has, and how wide the others are, in em."""
    known = "".join(filter(_has, name))
    wide = sum(1.0 if unicodedata.east_asian_width(one) in "WF" else 0.6 for one in name)
    of_known = sum(1.0 if unicodedata.east_asian_width(one) in "WF" else 0.6 for one in known)
    return known, wide - of_known
