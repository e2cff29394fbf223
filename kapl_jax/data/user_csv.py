"""A new user from files: the ratings to start from, and what is known of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kapl_jax.data.cold_start import ColdStartData, FeatureTable
from kapl_jax.data.cold_start_tables import rows_of_values
from kapl_jax.data.misspelling import quote_unknown
from kapl_jax.data.rating_cells import distinct_ratings
from kapl_jax.data.rating_columns import TIME, USER, column_if_there, named_columns
from kapl_jax.data.rating_files import CsvTable, read_csv
from kapl_jax.data.rating_range import AllowedRatings, parse_ratings
from kapl_jax.data.text import line_error, listing, quote
from kapl_jax.errors import UserError

_COLUMNS = ("item", "rating")
_VALUE_SEPARATOR = "|"


@dataclass(frozen=True, eq=False)
class UserFeatures:
    """What is known of a new user.

    Attributes:
        rows: For each field of the users' features `int32[W]`, like a row of its values: padded by
            -1, and 0 where nothing is known or training never showed the value. W is that of the
            table, or more where more values are given.
        warnings: One line for each value that training never showed.
    """

    rows: tuple[np.ndarray, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class NewUser:
    """The support set of a user whom the data do not hold.

    Attributes:
        support_items: `int32[S]`, rows of the items' features, each once.
        support_ratings: `float32[S]`.
        features: What is known of the user.
        unseen: Names of rated items that no training task holds; a model knows them by their
            features at most, and by row 0 of its table of items.
        warnings: What was odd in the file.
    """

    support_items: np.ndarray
    support_ratings: np.ndarray
    features: UserFeatures
    unseen: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_new_user(
    path: str | Path, data: ColdStartData, features: UserFeatures | None = None
) -> NewUser:
    """Read the ratings of one new user: a CSV with the header item,rating, and maybe the time.

    Args:
        path: The file; `.tsv` is separated by tabs. Items are called by name or, where no other
            has the same one, by title.
        data: The data that the model was trained on.
        features: What is known of the user; nothing, if not given.

    Raises:
        UserError: There is no rating, one is no number or out of the data's range, an item is
            unknown, or the ratings are of several users.
    """
    table = read_csv(Path(path), ",".join(_COLUMNS))
    names, cells = named_columns(table, _COLUMNS)
    _refuse_others(table)

    def refuse(index: int, found: str, expected: str) -> UserError:
        return line_error(table.path, int(table.lines[index]), found, expected)

    items = look_up_items(names, data, refuse)
    ratings, _ = parse_ratings(table.path, cells, table.lines, AllowedRatings(data.rating_range))
    kept, warnings = distinct_ratings(
        table.path,
        items,
        ratings,
        table.lines,
        lambda row: f"item {quote(names[row])}",
        column_if_there(table, TIME),
    )
    seen = data.items_of_training()
    return NewUser(
        support_items=items[kept],
        support_ratings=ratings[kept],
        features=features or unknown_user(data.user_features),
        unseen=tuple(data.items[item] for item in items[kept] if not seen[item]),
        warnings=warnings,
    )


def _refuse_others(table: CsvTable) -> None:
    users = column_if_there(table, USER)
    other = next((row for row, user in enumerate(users) if user != users[0]), None)
    if other is not None:
        found = f"a rating by {quote(users[other])} below those by {quote(users[0])}"
        raise line_error(table.path, int(table.lines[other]), found, "the ratings of one user")


def unknown_user(table: FeatureTable) -> UserFeatures:
    """Return the features of a user of whom nothing is known."""
    return _user_features({}, table, "")


def parse_user_features(
    text: str, table: FeatureTable, source: str = "--user_features"
) -> UserFeatures:
    """Read features written as `gender=F,age=25`, several values of a field as `a|b`.

    Args:
        text: What the user wrote; may be empty.
        table: The users' features that the model was trained on.
        source: What messages call where the text stands.

    Raises:
        UserError: A part is not `field=value`, or a field is unknown or given twice.
    """
    cells: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = map(str.strip, part.partition("="))
        if not (name and equals and value):
            raise UserError(f"{source}: found {quote(part)}, expected field=value,field=value")
        if name in cells:
            raise UserError(f"{source}: found {name} twice, expected each field once")
        cells[name] = value
    _check_fields(cells, table, source)
    return _user_features(cells, table, source)


def _check_fields(cells: dict[str, str], table: FeatureTable, source: str) -> None:
    for name in cells:
        if name not in table.fields:
            raise UserError(
                f"{source}: found the field {quote_unknown(name, table.fields)}, "
                f"expected some of {listing(table.fields)}"
            )


def _user_features(cells: dict[str, str], table: FeatureTable, source: str) -> UserFeatures:
    rows, warnings = [], []
    for name, vocabulary, known in zip(table.fields, table.vocabularies, table.values, strict=True):
        stripped = map(str.strip, cells.get(name, "").split(_VALUE_SEPARATOR))
        values = tuple(filter(None, stripped))
        warnings += [
            f"{source}: {name} {quote(value)} does not occur in training, taken as unseen; "
            f"known are {listing(list(vocabulary))}"
            for value in values
            if value not in vocabulary
        ]
        found = rows_of_values(values, vocabulary)
        width = max(known.shape[1], len(found))
        rows.append(np.array(found + [-1] * (width - len(found)), dtype=np.int32))
    return UserFeatures(tuple(rows), tuple(warnings))


def look_up_items(
    names: Sequence[str], data: ColdStartData, refuse: Callable[[int, str, str], UserError]
) -> np.ndarray:
    """Return the rows of items called by name or, where no other has the same one, by title.

    Args:
        names: What the user calls them.
        data: The data that hold them.
        refuse: Makes the error: index in `names`, what was found, what was expected.

    Returns:
        `int32[number of names]`.

    Raises:
        UserError: An item is unknown, or a title is that of several.
    """
    rows = {name: row for row, name in enumerate(data.items)}
    titles: dict[str, list[int]] = {}
    for row, title in enumerate(data.titles):
        titles.setdefault(title, []).append(row)
    found = []
    for index, name in enumerate(names):
        candidates = [rows[name]] if name in rows else titles.get(name, [])
        if len(candidates) > 1:
            several = f"one of the items {listing([data.items[row] for row in candidates])}"
            raise refuse(index, f"the title {quote(name)}", several)
        if not candidates:
            told = quote_unknown(name, [*data.items, *titles])
            expected = f"one of the {len(data.items)} of {data.name}"
            raise refuse(index, f"unknown item {told}", expected)
        found.append(candidates[0])
    return np.array(found, dtype=np.int32)
