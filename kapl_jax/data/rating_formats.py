"""The formats of ratings, and how one is told from another by looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from kapl_jax.data.lastfm import read_lastfm
from kapl_jax.data.movielens import read_movielens_1m, read_movielens_100k
from kapl_jax.data.rating_csv import read_csv_file, read_csv_folder
from kapl_jax.data.rating_files import find_folders, listed, roots
from kapl_jax.data.ratings import RatingsTable
from kapl_jax.errors import UserError

_MOST_LISTED = 8
_CSV_ENDINGS = (".csv", ".tsv")


@dataclass(frozen=True)
class RatingFormat:
    """A format of ratings.

    Attributes:
        name: How messages call it.
        marker: A folder or archive with this file is meant to be of this format.
        required: What must then lie beside it.
        read: Reads a folder that has them.
    """

    name: str
    marker: str
    required: tuple[str, ...]
    read: Callable[[Traversable], RatingsTable]


def read_ratings(path: Path) -> RatingsTable:
    """Find out the format of a folder, an archive or a CSV file, and read it.

    A folder may hold the archive instead of the files, and both may have them in a folder further
    down, as archives do.

    Raises:
        UserError: No format fits, a file is missing, or its content cannot be used.
    """
    if path.is_file() and path.suffix.lower() in _CSV_ENDINGS:
        return read_csv_file(path)
    for root in roots(path):
        for candidate in FORMATS:
            folders = find_folders(root, candidate.marker)
            if len(folders) > 1:
                found = f"{candidate.marker} in {folders[0]} and in {folders[1]}"
                raise UserError(f"{path}: found {found}, expected the folder of one data set")
            if folders:
                return candidate.read(_complete(folders[0], candidate))
    known = "; ".join(f"{f.name}: {', '.join((f.marker, *f.required))}" for f in FORMATS)
    raise UserError(f"{path}: found {_listing(path)}, expected one of {known}")


def _complete(folder: Traversable, candidate: RatingFormat) -> Traversable:
    names = {entry.name for entry in listed(folder)}
    missing = [name for name in candidate.required if name not in names]
    if missing:
        expected = f"also {', '.join(missing)} for the {candidate.name} format"
        raise UserError(f"{folder}: found {candidate.marker}, expected {expected}")
    return folder


def _listing(path: Path) -> str:
    if path.is_file():
        return "an archive of other files"
    names = [entry.name for entry in listed(path)]
    if not names:
        return "an empty folder"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


FORMATS = (
    RatingFormat(
        name="Last.FM of ColdNAS",
        marker="ratings_final.txt",
        required=("training", "validation", "testing"),
        read=read_lastfm,
    ),
    RatingFormat(
        name="MovieLens 100K",
        marker="u.data",
        required=("u.item", "u.user"),
        read=read_movielens_100k,
    ),
    RatingFormat(
        name="MovieLens 1M",
        marker="ratings.dat",
        required=("movies.dat", "users.dat"),
        read=read_movielens_1m,
    ),
    RatingFormat(name="CSV", marker="ratings.csv", required=(), read=read_csv_folder),
    RatingFormat(name="TSV", marker="ratings.tsv", required=(), read=read_csv_folder),
)
