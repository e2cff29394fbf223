"""Every kind of bad input ends in one line that names the place, or in a counted warning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.graph_folders import small_graph, write_openke
from tests.end_to_end.programs import SMALL, Done, assert_one_line_error, run_program
from tests.methods.autoblm.tiny import write_tiny_graph
from tests.methods.coldnas.runs import SMALL as SMALL_RATINGS
from tests.methods.coldnas.runs import USERS, as_flags, write_tiny_ratings

pytestmark = pytest.mark.usefixtures("compiled")


def search(folder: Path, *arguments: str) -> Done:
    return run_program(folder, "autoblm", "--dataset=graph", "--workdir=run", *SMALL, *arguments)


def change_line(path: Path, number: int, change) -> None:
    """Replace line `number` (from 1) by `change(line)`, in bytes."""
    lines = path.read_bytes().split(b"\n")
    lines[number - 1] = change(lines[number - 1])
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("file", "number", "change", "words"),
    [
        ("valid.txt", 2, lambda line: line.rsplit(b"\t", 1)[0], ("2 columns", "expected 3")),
        ("test.txt", 3, lambda line: b"stranger\t" + line.split(b"\t", 1)[1], ("'stranger'",)),
        ("train.txt", 5, lambda line: b"caf\xe9" + line, ("byte 0xe9", "expected text in UTF-8")),
        ("test.txt", 4, lambda line: b"", ("blank line",)),
    ],
    ids=["two columns", "unknown entity in test", "Latin-1", "blank line"],
)
def test_a_bad_line_of_names(tmp_path, file, number, change, words):
    write_tiny_graph(tmp_path / "graph")
    change_line(tmp_path / "graph" / file, number, change)
    assert_one_line_error(search(tmp_path), f"graph/{file}:{number}: ", *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("file", "number", "change", "words"),
    [
        ("train2id.txt", 1, lambda line: b"7", ("the count '7'", "expected 2")),
        ("valid2id.txt", 2, lambda line: b"0 99 0", ("99",)),
        ("test2id.txt", 2, lambda line: b"0 1 -1", ("-1",)),
        ("entity2id.txt", 3, lambda line: b"bob\t7", ("7",)),
    ],
    ids=["a count that lies", "entity out of range", "relation out of range", "id out of range"],
)
def test_a_bad_line_of_ids(tmp_path, file, number, change, words):
    write_openke(tmp_path / "graph", small_graph())
    change_line(tmp_path / "graph" / file, number, change)
    assert_one_line_error(search(tmp_path), f"graph/{file}:{number}: ", *words)


@pytest.mark.parametrize("file", ["train.txt", "valid.txt", "test.txt"])
def test_an_empty_file(tmp_path, file):
    write_tiny_graph(tmp_path / "graph")
    (tmp_path / "graph" / file).write_bytes(b"")
    assert_one_line_error(search(tmp_path), f"graph/{file}:1: found an empty file")


def test_a_missing_file_or_folder(tmp_path):
    write_tiny_graph(tmp_path / "graph")
    (tmp_path / "graph" / "valid.txt").unlink()
    assert_one_line_error(search(tmp_path), "graph: found test.txt, train.txt", "valid.txt")
    assert_one_line_error(search(tmp_path, "--dataset=nowhere"), "--dataset", "'nowhere'")
    flags = ("--dataset=nations", "--data_dir=nowhere")
    assert_one_line_error(search(tmp_path, *flags), "--data_dir", "nowhere")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--candidates=0", ("--candidates=0: out of range, expected at least 1",)),
        ("--learning_rate=-1", ("--learning_rate=-1.0: out of range",)),
        ("--embedding_dim=10", ("--embedding_dim=10: expected a multiple of --num_blocks=4",)),
        ("--regularisation=inf", ("--regularisation=inf: expected a finite number",)),
        ("--regularisation=1e39", ("--regularisation=1e+39: out of range, expected 0 to 10000",)),
        ("--seeds=1000000000", ("--seeds=1000000000: out of range, expected 1 to 10000",)),
        ("--embedding_dim=1000000000", ("--embedding_dim=1000000000: out of range",)),
        ("--cpu_devices=100000", ("--cpu_devices=100000: found ", "CPU cores, expected at most")),
        ("--epochs=many", ("--epochs=many: expected a whole number",)),
        ("--log_progress=maybe", ("--log_progress=maybe: expected yes or no",)),
        ("--nolog_progress=3", ("--nolog_progress=3 does not take an argument",)),
        ("--searcher=oracle", ("--searcher=oracle: expected one of", "evolutionary")),
        ("--candidate=3", ("--candidate: unknown flag, did you mean --candidates",)),
        ("--workdir=~nobody-of-this-name/run", ("found no home folder for ~nobody-of-this-name",)),
        ("--dataset=~nobody-of-this-name/x", ("found no home folder for ~nobody-of-this-name",)),
        ("--structure=oracle", ("--structure", "'oracle'")),
        ("--structure=1 0; 0", ("--structure: row 2",)),
        ("--presets=oracle", ("--presets", "'oracle'")),
        ("more", ("more: unexpected argument",)),
    ],
)
def test_a_bad_flag(tmp_path, flag, words):
    assert_one_line_error(search(tmp_path, flag), *words)


def test_a_workdir_that_cannot_be_used(tmp_path):
    write_tiny_graph(tmp_path / "graph")
    assert_one_line_error(search(tmp_path, "--workdir=graph"), "graph: the folder is not empty")
    (tmp_path / "file").write_text("")
    assert_one_line_error(search(tmp_path, "--workdir=file"), "file: cannot write")
    assert_one_line_error(search(tmp_path, "--workdir=file/run"), "file/run: cannot write")


def test_oddities_are_counted_and_another_run_is_refused(tmp_path):
    folder = write_tiny_graph(tmp_path / "graph")
    lines = {name: (folder / f"{name}.txt").read_text().splitlines() for name in ("train", "test")}
    # Lines 41 and 42 of training are there already; line 13 of test is the second of training.
    train = [*lines["train"], lines["train"][0], lines["train"][4]]
    (folder / "train.txt").write_text("\n".join(train) + "\n")
    (folder / "test.txt").write_text("\n".join([*lines["test"], lines["train"][1]]) + "\n")
    done = search(tmp_path, "--structure=distmult|complex|analogy|simple")
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith("warning: graph/train.txt:41: 2 triples duplicate, dropped")
    assert second.startswith("warning: graph/test.txt:13: 1 triple also in training, kept")
    before = (tmp_path / "run" / "results.json").read_bytes()
    other = search(tmp_path, "--structure=distmult")
    assert_one_line_error(other, "run: holds another run", "--structure=", "another --workdir")
    assert (tmp_path / "run" / "results.json").read_bytes() == before


def recommend(folder: Path, *arguments: str) -> Done:
    """Run ColdNAS on the ratings in `folder`."""
    flags = ("--dataset=ratings", "--workdir=run", "--cpu_devices=2", *as_flags(SMALL_RATINGS))
    return run_program(folder, "coldnas", *flags, *arguments)


@pytest.mark.parametrize(
    ("file", "number", "change", "words"),
    [
        ("ratings.csv", 3, lambda line: line.rsplit(b",", 1)[0], ("2 columns", "3")),
        ("ratings.csv", 4, lambda line: line[:-1] + b"good", ("the rating 'good'", "a number")),
        ("ratings.csv", 5, lambda line: line[:-1] + b"nan", ("the rating 'nan'", "a number")),
        ("ratings.csv", 2, lambda line: b"caf\xe9" + line, ("byte 0xe9", "expected text in UTF-8")),
        ("items.csv", 3, lambda line: b"caf\xe9" + line, ("byte 0xe9", "expected text in UTF-8")),
        ("ratings.csv", 1, lambda line: b"user,film,thumbs", ("the header 'user,film,thumbs'",)),
    ],
    ids=["two columns", "no number", "nan", "Latin-1", "Latin-1 items", "header"],
)
def test_a_bad_line_of_ratings(tmp_path, file, number, change, words):
    write_tiny_ratings(tmp_path / "ratings")
    change_line(tmp_path / "ratings" / file, number, change)
    assert_one_line_error(recommend(tmp_path), f"ratings/{file}:{number}: ", *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("file", ["ratings.csv", "items.csv", "users.csv"])
def test_an_empty_file_of_ratings(tmp_path, file):
    write_tiny_ratings(tmp_path / "ratings")
    (tmp_path / "ratings" / file).write_bytes(b"")
    assert_one_line_error(recommend(tmp_path), f"ratings/{file}:1: found an empty file")


def test_ratings_out_of_the_range(tmp_path):
    ratings = write_tiny_ratings(tmp_path / "ratings") / "ratings.csv"
    lines = ratings.read_text().splitlines()
    ratings.write_text("\n".join([*lines, "u0,i99,99999"]) + "\n")
    place = f"ratings/ratings.csv:{len(lines) + 1}: found the rating '99999'"
    assert_one_line_error(recommend(tmp_path, "--rating_range=1,5"), place, "expected 1 to 5")
    assert_one_line_error(recommend(tmp_path, "--rating_range=5,1"), "--rating_range: found '5,1'")
    assert not (tmp_path / "run").exists()


def test_a_header_of_triples(tmp_path):
    train = write_tiny_graph(tmp_path / "graph") / "train.txt"
    train.write_bytes(b"Head\tRelation\tTail\n" + train.read_bytes())
    assert_one_line_error(search(tmp_path), "graph/train.txt:1: found the header 'Head Relation")


def test_entities_that_only_test_has_may_be_kept(tmp_path):
    """They are in the model: it is asked about one of them."""
    test = write_tiny_graph(tmp_path / "graph") / "test.txt"
    line = len(test.read_text().splitlines()) + 1
    test.write_bytes(test.read_bytes() + b"stranger\trelation_0\tentity_1\n")
    assert_one_line_error(search(tmp_path), f"graph/test.txt:{line}: ", "--unseen_entities=keep")
    done = search(tmp_path, "--unseen_entities=keep")
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(f"warning: graph/test.txt:{line}: 1 triple of validation and test")
    asked = ("--workdir=run", "--head=stranger", "--relation=relation_0", "--top=3")
    assert run_program(tmp_path, "predict", *asked).returncode == 0


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--hidden_units=abc", ("--hidden_units='abc': expected widths", "128,64,32")),
        (
            "--structure=scale; -; -",
            ("found 3 positions, expected 2, one more than --hidden_units",),
        ),
        ("--structure=twist; -", ("--structure", "'twist'")),
        ("--presets=oracle", ("--presets: found 'oracle'", "film")),
        ("--dataset=nowhere", ("--dataset: found no folder 'nowhere'", "lastfm")),
        ("--dataset=lastfn", ("--dataset: found no folder 'lastfn' (did you mean lastfm?)",)),
        ("--dataset=umls", ("--dataset: found 'umls', which is a", "lastfm")),
        ("--min_ratings=2", ("--min_ratings: found 2", "the 3 of --query_items")),
        ("--min_ratings=99", ("ratings/ratings.csv: found 0 users", "--min_ratings")),
        ("--valid_share=0.5", ("--valid_share: found 0.5", "the 0.5 of --train_share")),
        ("--scenario=item_cold", ("--scenario: found item_cold, but no years",)),
        ("--objective=mrr", ("--objective=mrr", "ndcg_at_3")),
        ("more", ("more: unexpected argument",)),
    ],
)
def test_a_bad_flag_of_coldnas(tmp_path, flag, words):
    write_tiny_ratings(tmp_path / "ratings")
    assert_one_line_error(recommend(tmp_path, flag), *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("searcher", ["differentiable", "progressive"])
def test_a_searcher_that_does_not_fit_the_space(tmp_path, searcher):
    write_tiny_ratings(tmp_path / "ratings")
    done = recommend(tmp_path, f"--searcher={searcher}", "--search_space=networks")
    assert_one_line_error(done, f"--searcher={searcher}", "--search_space=networks", "decoupled")


def test_a_graph_is_no_ratings_and_ratings_are_no_graph(tmp_path):
    write_tiny_graph(tmp_path / "graph")
    done = recommend(tmp_path, "--dataset=graph")
    assert_one_line_error(done, "graph: found test.txt, train.txt, valid.txt", "ratings.csv")
    write_tiny_ratings(tmp_path / "ratings")
    done = run_program(tmp_path, "autoblm", "--dataset=ratings", "--workdir=run", *SMALL)
    assert_one_line_error(done, "ratings: found", "expected")
    done = run_program(tmp_path, "autoblm", "--dataset=lastfm", "--workdir=run", *SMALL)
    assert_one_line_error(done, "--dataset: found 'lastfm'", "expected a knowledge graph")


def test_odd_ratings_work_and_are_counted_and_another_run_is_refused(tmp_path):
    ratings = write_tiny_ratings(tmp_path / "ratings") / "ratings.csv"
    lines = ratings.read_text().splitlines()
    # Each user has an item that nobody else has: of test users training never saw it.
    own = [f"u{user},own-{user},3" for user in range(USERS)]
    ratings.write_text("\n".join([*lines, lines[1], *own]) + "\n")
    flags = ("--structure=film|scale|shift|none", "--min_ratings=7", "--query_items=4")
    done = recommend(tmp_path, *flags)
    assert done.returncode == 0, done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith(f"warning: ratings/ratings.csv:{len(lines) + 1}: 1 rating stands")
    assert second.endswith(
        "items.csv: 12 of 21 rated items are missing, taken as unseen; the first is 'own-0'"
    )
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["unseen_items"]["valid"], results["unseen_items"]["test"]) == (3, 3)
    assert "not in training      3 of" in done.stdout
    other = recommend(tmp_path, *flags, "--seed=1")
    assert_one_line_error(other, "run: holds another run (--seed=0, not 1)", "another --workdir")
    write_tiny_graph(tmp_path / "graph")
    method = "run: holds another run (method 'coldnas', not 'autoblm'"
    assert_one_line_error(search(tmp_path), method)
    assert json.loads((tmp_path / "run" / "results.json").read_text()) == results
