"""Damaged files of every format are read right, warned about or refused in one line.

`KAPL_MUTATIONS=2000` tries so many of each format; a failure names its seed.
"""

import contextlib
import os
import shutil
import signal
from functools import partial

import numpy as np
import pytest

from kapl_jax.data.cold_start_loading import load_cold_start
from kapl_jax.data.cold_start_protocol import Protocol
from kapl_jax.data.knowledge_graph import load_knowledge_graph
from kapl_jax.data.rating_range import AllowedRatings
from kapl_jax.data.reasoning import load_reasoning_data
from kapl_jax.data.unseen import UNSEEN_ENTITIES
from kapl_jax.data.user_csv import read_new_user
from kapl_jax.errors import UserError
from kapl_jax.methods.graph_predictor import read_queries
from tests.data.graph_folders import (
    Graph,
    small_graph,
    write,
    write_listed,
    write_openke,
    write_plain,
)
from tests.data.mutations import DAMAGES, damaged, write_archive, write_files
from tests.data.rating_folders import (
    write_1m,
    write_10m,
    write_100k,
    write_csv,
    write_inter,
    write_lastfm,
    write_latest,
)

MUTATIONS = int(os.environ.get("KAPL_MUTATIONS", "80"))
# No small input may take a second, on whatever machine.
SECONDS = 1
SMALL = Protocol(min_ratings=3, query_items=1, train_share=0.5, valid_share=0.2)


class TooLong(BaseException):
    """Not to be caught by what is tested."""


@contextlib.contextmanager
def watchdog():
    def stop(number, frame):
        raise TooLong(f"no end after {SECONDS} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    # Of this process, so that a busy machine makes no difference.
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def some_graph() -> Graph:
    graph = small_graph()
    graph.splits["train"] += [(2, 0, 0), (0, 1, 0), (1, 0, 0)]
    graph.splits["test"] += [(1, 1, 1)]
    return graph


def write_rotate(folder):
    write_plain(folder, some_graph())
    for file, names in (("entities", some_graph().entities), ("relations", some_graph().relations)):
        write(folder / f"{file}.dict", [f"{number}\t{name}" for number, name in enumerate(names)])
    return folder


def write_pair(folder):
    write_listed(folder, some_graph())
    second = some_graph()
    second.entities = ["dan", "eve", "fay"]
    write_plain(folder.parent / f"{folder.name}_ind", second)
    return folder


def write_features(folder):
    write_csv(folder)
    write(folder / "users.csv", ["user,age,likes", *(f"u{u},{u % 3},a|b" for u in range(10))])
    write(
        folder / "items.csv", ["item,title,year,kind", *(f"i{i},T {i},199{i},x" for i in range(4))]
    )
    return folder


def check_graph(graph):
    for split in (graph.facts, graph.train, graph.valid, graph.test):
        assert split.dtype == np.int32
        assert len({tuple(triple) for triple in split.tolist()}) == len(split)
        assert (split >= 0).all()
        assert (split[:, [0, 2]] < graph.num_entities).all()
        assert (split[:, 1] < graph.num_relations).all()
    assert len(set(graph.entities)) == graph.num_entities
    assert not any(set(name) & set("\0\r\n") for name in (*graph.entities, *graph.relations))


def load_graph(path, rng):
    unseen = UNSEEN_ENTITIES[rng.integers(3)]
    graph = load_knowledge_graph(str(path), None, unseen)
    check_graph(graph)
    return graph.describe()


def load_pair(path, rng):
    data = load_reasoning_data(str(path), None, UNSEEN_ENTITIES[rng.integers(3)])
    check_graph(data.graph)
    if data.inductive is not None:
        check_graph(data.inductive)
        assert data.inductive.relations == data.graph.relations
    return data.describe()


def load_ratings(path, rng):
    limits = (None, (1.0, 3.0))[rng.integers(2)]
    allowed = AllowedRatings(limits, clip=bool(rng.integers(2)))
    data = load_cold_start(str(path), None, SMALL, allowed)
    low, high = data.rating_range
    assert -1e9 <= low < high <= 1e9
    assert len(set(data.users)) == len(data.users)
    assert len(data.titles) in (0, len(data.items))
    for table, names in ((data.user_features, data.users), (data.item_features, data.items)):
        for size, values in zip(table.sizes, table.values, strict=True):
            assert len(values) == len(names)
            assert ((values >= -1) & (values < size)).all()
    for tasks in data.splits:
        assert tasks.num_users > 0
        for mask, items, ratings in (
            (tasks.support_mask, tasks.support_items, tasks.support_ratings),
            (tasks.query_mask, tasks.query_items, tasks.query_ratings),
        ):
            assert ((ratings[mask] >= np.float32(low)) & (ratings[mask] <= np.float32(high))).all()
            assert ((items >= 0) & (items < len(data.items))).all()
    return data.describe()


def load_queries(path, rng):
    queries = read_queries(path / "queries.txt")
    assert all((query.head is None) != (query.tail is None) for query in queries)
    return len(queries)


def load_new_user(path, rng, data):
    user = read_new_user(path / "me.csv", data)
    assert np.isfinite(user.support_ratings).all()
    assert len(set(user.support_items.tolist())) == len(user.support_items) > 0
    return user.support_items.tolist()


FORMATS = {
    "plain": (lambda folder: write_plain(folder, some_graph()), load_graph),
    "listed": (lambda folder: write_listed(folder, some_graph()), load_graph),
    "listed, ids": (lambda folder: write_listed(folder, some_graph(), ids=True), load_graph),
    "OpenKE": (lambda folder: write_openke(folder, some_graph()), load_graph),
    "RotatE": (write_rotate, load_graph),
    "pair": (write_pair, load_pair),
    "Last.FM": (write_lastfm, load_ratings),
    "ml-100k": (write_100k, load_ratings),
    "ml-1m": (write_1m, load_ratings),
    "ml-10m": (write_10m, load_ratings),
    "ml-latest": (write_latest, load_ratings),
    "csv": (write_features, load_ratings),
    "tsv": (lambda folder: write_csv(folder, ending="tsv"), load_ratings),
    "RecBole": (write_inter, load_ratings),
}


def files_below(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def try_to_load(load, path, seed):
    """Load what may be damaged; either it comes out right, or it is refused in one line."""
    try:
        with watchdog():
            described = load(path, np.random.default_rng(seed))
        assert seed % 10 or load(path, np.random.default_rng(seed)) == described
        return True
    except UserError as error:
        message = str(error)
    shown = message[:1000]
    assert len(message.splitlines()) == 1, shown
    assert str(path.parent) in message, shown
    assert len(message) < 1500, shown
    return False


def mutate_and_load(name, write_folder, load, tmp_path, write_mutant=write_files):
    template = tmp_path / "template" / "data"
    write_folder(template)
    files = files_below(template.parent)
    loaded = 0
    for seed in range(MUTATIONS):
        rng = np.random.default_rng([seed, len(name)])
        folder = tmp_path / "mutant"
        write_mutant(folder, damaged(files, rng), rng)
        target = next(folder.glob("*.zip"), folder / "data")
        try:
            loaded += try_to_load(load, target, seed)
        except BaseException as error:
            error.add_note(f"format {name}, seed {seed}, in {target}")
            raise
        shutil.rmtree(folder)
    # Not so damaged that all is refused, nor so little that nothing is.
    assert 0 < loaded < MUTATIONS


def write_folder_of(folder, files, rng):
    write_files(folder, files)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_folders(tmp_path, name):
    write_folder, load = FORMATS[name]
    mutate_and_load(name, write_folder, load, tmp_path, write_folder_of)


def write_damaged_archive(folder, files, rng):
    folder.mkdir()
    path = folder / "data.zip"
    write_archive(path, files)
    if rng.random() < 0.5:
        path.write_bytes(DAMAGES[rng.integers(5)](path.read_bytes(), rng))


@pytest.mark.parametrize("name", ["Last.FM", "ml-100k", "ml-latest"])
def test_damaged_archives(tmp_path, name):
    write_folder, load = FORMATS[name]
    mutate_and_load(f"{name}.zip", write_folder, load, tmp_path, write_damaged_archive)


def test_damaged_queries(tmp_path):
    def write_queries(folder):
        write(folder / "queries.txt", ["ann\tlikes\t?", "", "? knows bob", "cid likes ?"])

    mutate_and_load("queries", write_queries, load_queries, tmp_path, write_folder_of)


def test_damaged_files_of_a_new_user(tmp_path):
    def write_user(folder):
        write(folder / "me.csv", ["item,rating", "i0,2", "T 1,3", "i2,1"])

    data = load_cold_start(str(write_features(tmp_path / "trained")), None, SMALL)
    load = partial(load_new_user, data=data)
    mutate_and_load("new user", write_user, load, tmp_path, write_folder_of)
