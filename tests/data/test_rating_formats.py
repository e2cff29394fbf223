import shutil

import pytest

from kapl_jax.data.rating_formats import FORMATS, read_ratings
from tests.data.rating_folders import (
    error_of,
    write_1m,
    write_100k,
    write_csv,
    write_lastfm,
    zip_of,
)

WRITERS = (write_lastfm, write_100k, write_1m, write_csv)
BELOW = ("data/lastfm_20", "ml-100k", "ml-1m", "some")


@pytest.mark.parametrize(("write", "below"), list(zip(WRITERS, BELOW, strict=True)))
def test_folders_and_archives_read_alike(tmp_path, write, below):
    folder = write(tmp_path / "data" / below)
    archive = zip_of(folder, tmp_path / "zipped" / "data.zip", below)
    places = (folder, tmp_path / "data", archive, archive.parent)
    first, *others = [read_ratings(place) for place in places]
    for other in others:
        assert other.users.names == first.users.names
        assert other.items.fields[0].values == first.items.fields[0].values
        assert other.ratings.values.tolist() == first.ratings.values.tolist()


def test_csv_file(tmp_path):
    folder = write_csv(tmp_path)
    path = (folder / "ratings.csv").rename(folder / "mine.CSV")
    assert len(read_ratings(path).ratings) == 40


@pytest.mark.parametrize(("write", "format_"), list(zip(WRITERS, FORMATS, strict=False)))
def test_missing_files(tmp_path, write, format_):
    folder = write(tmp_path)
    for name in format_.required[-1:]:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        message = error_of(read_ratings, folder)
        expected = f"expected also {name} for the {format_.name} format"
        assert message == f"{folder}: found {format_.marker}, {expected}"


def test_unknown_format(tmp_path):
    known = "expected one of Last.FM of ColdNAS: ratings_final.txt, training, validation, testing; "
    assert error_of(read_ratings, tmp_path).startswith(
        f"{tmp_path}: found an empty folder, {known}"
    )
    (tmp_path / "other.txt").touch()
    message = error_of(read_ratings, tmp_path)
    assert message.startswith(f"{tmp_path}: found other.txt, {known}")
    assert "MovieLens 100K: u.data; " in message
    archive = zip_of(tmp_path, tmp_path / "z" / "other.zip", "in")
    assert error_of(read_ratings, archive).startswith(f"{archive}: found an archive of other files")


def test_two_data_sets_in_one_folder(tmp_path):
    for name in ("a", "b"):
        write_100k(tmp_path / name)
    message = error_of(read_ratings, tmp_path)
    assert f"found u.data in {tmp_path / 'a'} and in {tmp_path / 'b'}, expected" in message
