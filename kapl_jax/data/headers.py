"""Header rows: words for the columns, in files that hold nothing but data.

A row is one by its words, in any of the wordings in use (`subject predicate object`, `h r t`,
`head_id`, `:START_ID`, `"Entity 1"`), and by its names, which the data then do not use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kapl_jax.data.text import TextFile, quote
from kapl_jax.errors import UserError

_HEAD, _RELATION, _TAIL, _ENTITY = "head", "relation", "tail", "entity"
_WORDS = {
    _HEAD: "head heads h subject subj sub s source src from start begin origin left lhs first 1 e1 "
    "arg1 argument1",
    _RELATION: "relation relations rel r predicate pred p property prop edge link relationship "
    "relationships type label connection association interaction verb role kind",
    _TAIL: "tail tails t object objects obj o target tgt to end dest destination dst right rhs "
    "second 2 e2 arg2 argument2",
    _ENTITY: "entity entities ent e node nodes concept vertex value",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
# What may stand beside the word that counts: head_id, entityHead, relation type, START_ID(drug).
_FILLERS = re.compile(
    r"^(?:entity|ent|node|name|id|the|column|col)|(?:entity|entities|ent|node|names?|ids?|idx|"
    r"index|uri|iri|url|labels?|type|string|str|text|value|key|token|number|num|no|column|col)$"
)
# Two of a kind: drug_1 and drug_2, protein A and protein B.
_FIRST_AND_SECOND = re.compile(r".*?[a-z](?:[^a-z0-9]*([12])|[^a-z0-9]+([ab]))(?:[^a-z0-9]*id)?$")
_LIST_HEADER = re.compile(
    "(?:ids?|index|idx|number|entity|entities|relation|relations|relationships?|names?|nodes?|"
    "labels?|predicates?|property|properties)+"
)


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether three cells are words for head, relation and tail, in any order."""
    ends = sorted(map(_role, cells))
    if _RELATION not in ends:
        return False
    ends.remove(_RELATION)
    return tuple(ends) in {(_HEAD, _TAIL), (_ENTITY, _TAIL), (_ENTITY, _HEAD), (_ENTITY, _ENTITY)}


def _role(cell: str) -> str:
    """Return what a word says of a column, an empty string for any other name."""
    lower = cell.casefold().strip("\"'`#<>?:()[]{} \t\ufeff")
    plain = re.sub(r"[^a-z0-9]", "", lower)
    while plain:
        if plain in _ROLES:
            return _ROLES[plain]
        shorter = _FILLERS.sub("", plain, count=1)
        if shorter == plain:
            break
        plain = shorter
    numbered = _FIRST_AND_SECOND.fullmatch(lower)
    if numbered is None:
        return ""
    return _HEAD if (numbered[1] or numbered[2]) in ("1", "a") else _TAIL


def refuse_header(
    file: TextFile, columns: Sequence[Sequence[str]], others: Sequence[Sequence[Sequence[str]]]
) -> str | None:
    """Refuse a file whose first line is a header: such words, and names that no triple has.

    Args:
        file: The file.
        columns: Its columns, three lists of names.
        others: The columns of the files beside it, whose first lines may be headers too.

    Returns:
        A warning where some of the names are those of triples, so that the line is taken for one.

    Raises:
        UserError: The first line is a header.
    """
    first = tuple(column[0] for column in columns)
    if not is_header(first):
        return None
    used = set(first).intersection(
        name
        for other in (columns, *others)
        for number, row in enumerate(zip(*other, strict=True))
        # Files that were joined repeat their header.
        if row != first and not (number == 0 and is_header(row))
        for name in row
    )
    words = quote(" ".join(first))
    if not used:
        raise header_error(file, words, "a triple; take the line away")
    return (
        f"{file.path}:{file.first_line}: the first line, {words}, reads like a header; it is taken "
        f"for a triple, as {quote(min(used))} is in others too"
    )


def header_error(file: TextFile, words: str, expected: str) -> UserError:
    """Return the error for a first line that is a header."""
    return file.error(0, f"the header {words}", expected)


def is_list_header(cells: Sequence[str]) -> bool:
    """Tell whether cells are words for a column of names and maybe one of ids."""
    letters = (re.sub(r"[^a-z]", "", cell.casefold()) for cell in cells)
    return all(map(_LIST_HEADER.fullmatch, letters))
