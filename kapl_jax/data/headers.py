"""Header rows: words for the columns, in files that hold nothing but data.

A row is one by its words, in any of the wordings in use (`subject predicate object`, `h r t`,
`head_id`, `:START_ID`, `"Entity 1"`), and by its names, which the data then do not use. The first
row may also be one by a word for the relation alone (`drug interaction gene`), by numbers that
programs give to columns without a name (`0 1 2`, `V1 V2 V3`), or be a comment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from kapl_jax.data.text import TextFile, quote
from kapl_jax.errors import UserError

_HEAD, _RELATION, _TAIL, _ENTITY = "head", "relation", "tail", "entity"
_WORDS = {
    _HEAD: "head heads h subject subj sub s source src from start begin origin left lhs first 1 e1 "
    "arg1 argument1",
    _RELATION: "relation relations rel r predicate pred p property prop edge link relationship "
    "relationships type label connection association interaction verb role kind etype",
    _TAIL: "tail tails t object objects obj o target tgt to end dest destination dst right rhs "
    "second 2 e2 arg2 argument2",
    _ENTITY: "entity entities ent e node nodes concept vertex value",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
# Words that no relation of data is called by, in other languages, too.
_RELATION_ONLY = re.compile(
    "(?:relation|relationship|rel|predicate|pred|edge|interaction)(?:s|_?(?:type|name|label|id|uri))*"
    "|etype|prädikat|beziehung|prédicat|predicado|predicato|relaci[oó]n|relação|relazione"
    "|предикат|отношение|关系|關係|谓语|谓词|関係|述語|관계"
)
_NUMBERED = re.compile(r"(|v|x|c|f|col|column|field|unnamed)[ :._]*([0-3])")
_COMMENT = re.compile(r"#|%|//")
# A header that stands between triples is that of a file that was joined to others.
_MOST_REPEATED = 1000
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
    lower = _plain(cell)
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


def _plain(cell: str) -> str:
    return cell.casefold().strip("\"'`#<>?:()[]{} \t\ufeff")


def refuse_header(
    file: TextFile, columns: Sequence[Sequence[str]], others: Sequence[Sequence[Sequence[str]]]
) -> str | None:
    """Refuse a file with a header: such words, and names that no triple has.

    Args:
        file: The file.
        columns: Its columns, three lists of names.
        others: The columns of all files of the graph, its own among them.

    Returns:
        A warning where some of the names are those of triples, so that the line is taken for one.

    Raises:
        UserError: The first line is a header, or a later one as where files were joined.
    """
    first = tuple(column[0] for column in columns)
    found = next((row for row in _headers(columns) if not _used(_row(columns, row), others)), None)
    if found is not None:
        words = quote(" ".join(_row(columns, found)))
        raise header_error(file, words, "a triple; remove the line", found)
    if not is_header(first):
        return None
    return (
        f"{file.path}:{file.first_line}: the first line, {quote(' '.join(first))}, reads like a "
        f"header; it is taken for a triple, as {quote(min(_used(first, others)))} is in others too"
    )


def _row(columns: Sequence[Sequence[str]], number: int) -> tuple[str, ...]:
    return tuple(column[number] for column in columns)


def _headers(columns: Sequence[Sequence[str]]) -> Iterator[int]:
    """Yield the rows that may be a header."""
    first = _row(columns, 0)
    if is_header(first) or _is_odd_first(columns):
        yield 0
    counts = Counter(columns[1])
    words = {
        name
        for name, count in counts.items()
        if count <= _MOST_REPEATED and _role(name) == _RELATION
    }
    if words:
        for number, name in enumerate(columns[1]):
            if number and name in words and is_header(_row(columns, number)):
                yield number


def _is_odd_first(columns: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row reads like no triple: a comment, or columns' names or numbers."""
    first, second = _row(columns, 0), _row(columns, min(1, len(columns[0]) - 1))
    if _COMMENT.match(first[0]) or _RELATION_ONLY.fullmatch(_plain(first[1])):
        return True
    numbered = [_NUMBERED.fullmatch(_plain(cell)) for cell in first]
    if not all(numbered) or all(map(str.isdecimal, second)):
        return False
    return [match[2] for match in numbered if match] in (["0", "1", "2"], ["1", "2", "3"])


def _used(row: tuple[str, ...], others: Sequence[Sequence[Sequence[str]]]) -> set[str]:
    """Return the names of a row that other rows have, which are no headers themselves."""
    names = set(row)
    return {
        name
        for columns in others
        for number, other in enumerate(zip(*columns, strict=True))
        # Files that were joined repeat their header; each has its own.
        if not names.isdisjoint(other) and other != row and not is_header(other)
        if number or not _is_odd_first(columns)
        for name in names.intersection(other)
    }


def header_error(file: TextFile, words: str, expected: str, row: int = 0) -> UserError:
    """Return the error for a line that is a header."""
    return file.error(row, f"the header {words}", expected)


def is_list_header(cells: Sequence[str]) -> bool:
    """Tell whether cells are words for a column of names and maybe one of ids."""
    letters = (re.sub(r"[^a-z]", "", cell.casefold()) for cell in cells)
    return all(map(_LIST_HEADER.fullmatch, letters))
