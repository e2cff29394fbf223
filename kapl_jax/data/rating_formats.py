"""The formats of ratings, and how one is told from another by looking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from kapl_jax.data.lastfm import read_lastfm
from kapl_jax.data.movielens import read_movielens_100k, read_movielens_dat
from kapl_jax.data.rating_columns import LINES_ENDINGS, TABLE_ENDINGS
from kapl_jax.data.rating_csv import read_csv_folder, read_inter_folder, read_ratings_file
from kapl_jax.data.rating_files import find_folders, listed, roots
from kapl_jax.data.rating_range import ANY_RATING, AllowedRatings
from kapl_jax.data.ratings import RatingsTable
from kapl_jax.data.text import listing
from kapl_jax.errors import UserError


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
    read: Callable[[Traversable, AllowedRatings], RatingsTable]


def read_ratings(path: Path, allowed: AllowedRatings = ANY_RATING) -> RatingsTable:
    """Find out the format of a folder, an archive or a file of ratings, and read it.

    A folder may hold the archive instead of the files, and both may have them in a folder further
    down, as archives do.

    Raises:
        UserError: No format fits, a file is missing, or its content cannot be used.
    """
    if path.is_file() and path.suffix.lower() in (*TABLE_ENDINGS, *LINES_ENDINGS):
        return read_ratings_file(path, allowed)
    for root in roots(path):
        for candidate in FORMATS:
            folders = find_folders(root, candidate.marker)
            if len(folders) > 1:
                found = f"{candidate.marker} in {folders[0]} and in {folders[1]}"
                raise UserError(f"{path}: found {found}, expected the folder of one data set")
            if folders:
                return candidate.read(_complete(folders[0], candidate), allowed)
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
    return listing(names)


FORMATS = (
    RatingFormat(
        name="Last.FM of ColdNAS",
        marker="ratings_final.txt",
        required=("training", "validation", "testing"),
        read=read_lastfm,
    ),
    RatingFormat("MovieLens 100K", "u.data", (), read_movielens_100k),
    RatingFormat("MovieLens 1M or 10M", "ratings.dat", (), read_movielens_dat),
    RatingFormat("CSV", "ratings.csv", (), read_csv_folder),
    RatingFormat("TSV", "ratings.tsv", (), read_csv_folder),
    RatingFormat("RecBole", "*.inter", (), read_inter_folder),
)
