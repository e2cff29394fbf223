"""Small ratings data sets in the published formats, written by the obvious way round."""

import zipfile
from pathlib import Path

import pytest

from kapl_jax.errors import UserError
from tests.data.graph_folders import write

GENRE_FLAGS = 19


def error_of(action, *arguments, **keywords) -> str:
    """The message of the error that a call raises, which is one line."""
    with pytest.raises(UserError) as caught:
        action(*arguments, **keywords)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write_lastfm(folder: Path) -> Path:
    """Three users with a task each: `ann` trains, `bob` validates, `cid` tests; `dan` has none."""
    rated = {"ann": "pqrs", "bob": "pqt", "cid": "quv", "dan": "w"}
    lines = [
        f"{user}\t{item}\t{number % 2}"
        for user, items in rated.items()
        for number, item in enumerate(items)
    ]
    write(folder / "ratings_final.txt", lines)
    for split, user in (("training", "ann"), ("validation", "bob"), ("testing", "cid")):
        evidence = folder / split / "evidence"
        *support, query = [f"{user}\t{item}" for item in rated[user]]
        write(evidence / "supp_x_0_u_m_ids.txt", support)
        write(evidence / "query_x_0_u_m_ids.txt", [query])
    return folder


def film_100k(number: int, title: str, release: str, *genres: int) -> str:
    flags = [str(int(genre in genres)) for genre in range(GENRE_FLAGS)]
    return "|".join([str(number), title, release, "", "http://a.film", *flags])


def write_100k(folder: Path, users: int = 10, rated: int = 5) -> Path:
    """Films 1 to 4 and maybe more, of which number 2 has an accent and 4 nothing known."""
    films = [
        film_100k(1, "Toys (1995)", "01-Jan-1995", 3, 4),
        film_100k(2, "Les Misérables (1934)", "01-Jan-1936", 8),
        film_100k(3, "Land (1941), The (1971) (V)", "01-Jan-1972", 16),
        film_100k(4, "unknown", "", 0),
        film_100k(5, "No year in the title", "24-Apr-1998", 5, 8, 14),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "u.item").write_bytes("".join(f"{film}\n" for film in films).encode("latin-1"))
    ages = [7, 18, 24, 25, 34, 44, 45, 50, 55, 73]
    people = [f"{u + 1}|{ages[u % 10]}|{'MF'[u % 2]}|artist|V1G4{u}" for u in range(users)]
    write(folder / "u.user", people)
    ratings = [
        f"{user + 1}\t{film + 1}\t{(user + film) % 5 + 1}\t88125{film}"
        for user in range(users)
        for film in range(rated)
    ]
    write(folder / "u.data", ratings)
    return folder


def write_1m(folder: Path, users: int = 10) -> Path:
    """Three films, one with an accent, rated by every user."""
    folder.mkdir(parents=True, exist_ok=True)
    films = [
        "1::Toys (1995)::Animation|Comedy",
        "2::Misérables (1934)::Drama",
        "9::Old (1950)::War",
    ]
    (folder / "movies.dat").write_bytes("".join(f"{film}\n" for film in films).encode("latin-1"))
    write(folder / "users.dat", [f"{u}::F::{(1, 56)[u % 2]}::{u}::0123{u}" for u in range(users)])
    ratings = [
        f"{user}::{film}::{film % 5 + 1}::978" for user in range(users) for film in (1, 2, 9)
    ]
    write(folder / "ratings.dat", ratings)
    return folder


def write_10m(folder: Path, users: int = 10) -> Path:
    """Three films with half stars, and no users."""
    write_1m(folder, users)
    (folder / "users.dat").unlink()
    films = folder / "movies.dat"
    films.write_bytes(films.read_bytes().decode("latin-1").encode())
    ratings = folder / "ratings.dat"
    ratings.write_text(ratings.read_text().replace("::2::978", "::2.5::978"))
    return folder


def write_latest(folder: Path, users: int = 10) -> Path:
    """MovieLens as it is downloaded today: three films, tags and links."""
    films = ["1,Toys (1995),Animation|Comedy", '2,"Misérables, Les (1934)",Drama']
    write(folder / "movies.csv", ["movieId,title,genres", *films, "9,Old,(no genres listed)"])
    rows = [
        f"{user},{film},{(user + film) % 10 / 2 + 0.5},964982703"
        for user in range(users)
        for film in (1, 2, 9)
    ]
    write(folder / "ratings.csv", ["userId,movieId,rating,timestamp", *rows])
    write(folder / "tags.csv", ["userId,movieId,tag,timestamp", "1,2,funny,964982703"])
    write(folder / "links.csv", ["movieId,imdbId,tmdbId", "1,0114709,862"])
    return folder


def write_inter(folder: Path, users: int = 10) -> Path:
    """RecBole's form: atomic files, whose headers say what a column holds."""
    rows = [f"{u}\t{i}\t{(u + i) % 3 + 1}\t{u}.0" for u in range(users) for i in range(3)]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    write(folder / "toy.inter", [header, *rows])
    write(
        folder / "toy.user", ["user_id:token\tage:token", *(f"{u}\t{u % 4}" for u in range(users))]
    )
    items = ["0\tOne two\tDrama War\t1995", "1\tThree\tWar\t", "2\tFour\t\t1999"]
    header = "item_id:token\tmovie_title:token_seq\tclass:token_seq\trelease_year:token"
    write(folder / "toy.item", [header, *items])
    return folder


def write_csv(folder: Path, users: int = 10, items: int = 4, ending: str = "csv") -> Path:
    """Every user rates every item, from 1 to 3."""
    separator = "\t" if ending == "tsv" else ","
    rows = [["user", "item", "rating"]]
    rows += [[f"u{u}", f"i{i}", f"{(u + i) % 3 + 1}"] for u in range(users) for i in range(items)]
    write(folder / f"ratings.{ending}", [separator.join(row) for row in rows])
    return folder


def zip_of(folder: Path, archive: Path, below: str) -> Path:
    """Put the files of a folder into an archive, in the folder `below` of it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as writer:
        for path in sorted(folder.rglob("*")):
            writer.write(path, f"{below}/{path.relative_to(folder)}")
    return archive
