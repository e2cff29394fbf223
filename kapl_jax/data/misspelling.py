"""What a name that is not known may have been meant to be: one home for "did you mean".

Names that differ only in what cannot be seen (a no-break space, a zero-width joiner, composed and
decomposed accents), in letters that look alike, in case, or in `_` for a blank come first; then
those that differ in few letters.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process

from kapl_jax.data.text import IGNORABLE, LONGEST_QUOTE, quote, visible

_MOST = 3
# Letters of other scripts that look like the Latin ones below them, once both are lower case.
_LOOK_ALIKE = str.maketrans(
    "аеорсухіјѕһԁԛԝвкмнтгαβεηικνορτυχ‐‑‒–—―−‘’ʼ`´“”",
    "aeopcyxijshdqwbkmhtrabenikvoptux-------'''''\"\"",
)
_BLANKS = re.compile(r"(?:[_-]|[^\S\n])+")


def similar_to(name: str, known: Iterable[str], likeness: float = 0.6) -> list[str]:
    """Return up to three known names that `name` may be a misspelling of, the likeliest first.

    Takes some milliseconds for 100,000 names.

    Args:
        name: The name that was given.
        known: The names there are.
        likeness: Least share of letters in common, 0 to 1.
    """
    names = tuple(dict.fromkeys(known))
    if not names:
        return []
    (folded,) = _folded((name,))
    same = [one for one, plain in zip(names, _folded(names), strict=True) if plain == folded]
    near = process.extract(
        name, names, scorer=fuzz.ratio, limit=_MOST, score_cutoff=100.0 * likeness
    )
    return list(dict.fromkeys([*same, *(one for one, *_ in near)]))[:_MOST]


def quote_unknown(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    r"""Return an unknown name in quotes, with what may be meant: `'ulms' (did you mean 'umls'?)`.

    Where both look the same, the letters in which they differ are written as `\u0430`.
    """
    meant = similar_to(name, known, likeness)
    if not meant:
        return quote(name)
    pairs = [_quoted_apart(name, one) for one in meant]
    return f"{pairs[0][0]}{did_you_mean([shown for _, shown in pairs])}"


def did_you_mean(names: Sequence[str]) -> str:
    """Return ` (did you mean A or B?)`, nothing where there is no name."""
    return f" (did you mean {' or '.join(names)}?)" if names else ""


# Many names may be unknown, all of them among the same.
@functools.lru_cache(maxsize=8)
def _folded(names: tuple[str, ...]) -> list[str]:
    """Return names without what is easily overlooked; all at once, which takes a tenth as long."""
    text = "\n".join(name.replace("\n", " ") for name in names)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", IGNORABLE.sub("", text))
        text = unicodedata.normalize("NFKC", text.casefold().translate(_LOOK_ALIKE))
    return [name.strip() for name in _BLANKS.sub(" ", text.lower()).split("\n")]


def _quoted_apart(name: str, meant: str) -> tuple[str, str]:
    """Return both in quotes so that their difference is seen, of long names the part around it."""
    folded, other = _folded((name, meant))
    if folded != other and quote(name) != quote(meant):
        return quote(name), quote(meant)
    pairs = enumerate(zip(name, meant, strict=False))
    first = next((index for index, (one, two) in pairs if one != two), min(len(name), len(meant)))
    start = max(0, min(first - LONGEST_QUOTE // 2, max(len(name), len(meant)) - LONGEST_QUOTE))
    parts = [one[start : start + LONGEST_QUOTE] for one in (name, meant)]
    shown = ["", ""]
    matcher = difflib.SequenceMatcher(None, parts[0], parts[1], autojunk=False)
    for kind, *ends in matcher.get_opcodes():
        for index, piece in enumerate((parts[0][ends[0] : ends[1]], parts[1][ends[2] : ends[3]])):
            shown[index] += visible(piece) if kind == "equal" else "".join(map(_written_out, piece))
    left = "..." if start else ""
    told, beside = (
        f"'{left}{text}{'...' if len(one) > start + LONGEST_QUOTE else ''}'"
        for one, text in zip((name, meant), shown, strict=True)
    )
    return told, beside


def _written_out(letter: str) -> str:
    return letter if " " <= letter <= "~" else ascii(letter)[1:-1]
