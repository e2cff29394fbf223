import pytest

from kapl_jax.data.checks import check_graph
from kapl_jax.data.formats import read_graph
from kapl_jax.data.headers import is_header, is_list_header
from tests.data.graph_folders import small_graph, write, write_listed, write_openke, write_plain
from tests.data.rating_folders import error_of

HEADERS = (
    "subject relation object",
    "head relation tail",
    "Head Relation Tail",
    "HEAD TAIL RELATION",
    "h r t",
    "s p o",
    "source type target",
    "from to label",
    "subject predicate object",
    "head_entity relation_type tail_entity",
    "head-id relation-id tail-id",
    "headId relationId tailId",
    "entity1 relation entity2",
    "e1 rel e2",
    "#head relation tail",
    "'subject' 'predicate' 'object'",
    ":START_ID :TYPE :END_ID",
    "?s ?p ?o",
    "node_1 edge node_2",
    "drug1 interaction drug2",
    "protein_a link protein_b",
    "subj pred obj",
    "SubjectName PropertyName ObjectValue",
    "src_node rel dst_node",
    "tail relation head",
    "entity relation entity",
)
TRIPLES = (
    "ann likes bob",
    "head part_of body",
    "relation is_a subject",
    "head head tail",
    "source likes target",
    "1 2 3",
    "from near to",
    "entity isa event",
    "a r b",
)


@pytest.mark.parametrize("words", HEADERS)
def test_wordings(words):
    assert is_header(words.split())


@pytest.mark.parametrize("words", TRIPLES)
def test_what_is_a_triple(words):
    assert not is_header(words.split())


def test_names_in_several_words():
    assert is_header(["Head Entity", " Relation Type", "Tail Entity"])
    assert is_header(['"Entity 1"', "relation", '"Entity 2"'])


@pytest.mark.parametrize("words", ["entity id", "id name", "Entity_ID name", "RelationID", "#node"])
def test_wordings_in_lists(words):
    assert is_list_header(words.split())


@pytest.mark.parametrize("words", ["ann 0", "part_of", "", "2 id", "entityx"])
def test_what_is_no_word_of_a_list(words):
    assert not is_list_header(words.split(" "))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "graph"


def prepend(path, line, mark=b""):
    path.write_bytes(mark + line.encode() + b"\n" + path.read_bytes())


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("split", ["facts", "train", "valid", "test"])
@pytest.mark.parametrize("writer", [write_plain, write_listed])
def test_header_in_any_file(folder, writer, split, mark):
    writer(folder, small_graph())
    path = folder / f"{split}.txt"
    if not path.exists():
        return
    prepend(path, "subject\trelation\tobject", mark)
    expected = "found the header 'subject relation object', expected a triple; remove the line"
    assert error_of(read_graph, folder) == f"{path}:1: {expected}"


def test_headers_in_all_files(folder):
    write_plain(folder, small_graph())
    for path in folder.iterdir():
        prepend(path, "Head\tRelation\tTail")
    assert error_of(read_graph, folder).startswith(f"{folder / 'train.txt'}:1: found the header ")


def test_header_that_joined_files_repeat(folder):
    write_plain(folder, small_graph())
    write(folder / "train.txt", ["h\tr\tt", "a\tlikes\tb", "h\tr\tt", "b\tlikes\ta"])
    assert error_of(read_graph, folder).startswith(f"{folder / 'train.txt'}:1: found the header ")


@pytest.mark.parametrize(
    "line",
    [
        "drug\tinteraction\tgene",
        "x_name\tRelation\ty_name",
        "src\tetype\tdst",
        "Subjekt\tPrädikat\tObjekt",
        "sujeto\tpredicado\tobjeto",
        "头实体\t关系\t尾实体",
        "0\t1\t2",
        "V1\tV2\tV3",
        "Unnamed: 0\tUnnamed: 1\tUnnamed: 2",
        "#\tcreated\t2020",
    ],
)
@pytest.mark.parametrize("split", ["train", "valid"])
def test_first_lines_of_other_words(folder, line, split):
    path = write_plain(folder, small_graph()) / f"{split}.txt"
    prepend(path, line)
    assert error_of(read_graph, folder).startswith(f"{path}:1: found the header ")


@pytest.mark.parametrize("others", ["1 2 3", "5 1 9", "0 3 4"])
def test_numbers_are_names(folder, others):
    for split in ("train", "valid", "test"):
        write(folder / f"{split}.txt", ["0 1 2", others] if split == "train" else ["0 1 2"])
    assert len(read_graph(folder).train.triples) == 2


def test_relations_may_be_called_by_words_for_them(folder):
    write_plain(folder, small_graph())
    write(folder / "train.txt", ["a relation b", "b relation c", "c interaction a"])
    for split in ("valid", "test"):
        write(folder / f"{split}.txt", ["a relation c"])
    parsed = read_graph(folder)
    assert (len(parsed.train.triples), parsed.warnings) == (3, ())


def test_header_between_triples(folder):
    """Where files were joined and the first header alone was taken away."""
    write_plain(folder, small_graph())
    write(folder / "train.txt", ["a\tlikes\tb", "h\tr\tt", "b\tlikes\ta"])
    assert error_of(read_graph, folder) == (
        f"{folder / 'train.txt'}:2: found the header 'h r t', expected a triple; remove the line"
    )


@pytest.mark.parametrize("place", ["train.txt", "test.txt"])
def test_names_that_other_triples_have(folder, place):
    """Such a line is a triple, but said to be odd."""
    write_plain(folder, small_graph())
    prepend(folder / "train.txt", "head\trelation\ttail")
    with (folder / place).open("a") as file:
        file.write("head\tlikes\tann\n")
    parsed = read_graph(folder)
    assert "head" in parsed.entities.names
    assert len(parsed.train.triples) == 3 + (place == "train.txt")
    (warning,) = check_graph(parsed).warnings
    assert warning == (
        f"{folder / 'train.txt'}:1: the first line, 'head relation tail', reads like a header; it "
        "is taken for a triple, as 'head' is in others too"
    )


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("entities.txt", "entity"),
        ("relations.txt", "Relation Name"),
        ("entities.txt", "entity\tid"),
        ("entities.txt", "id\tentity"),
        ("relations.txt", "relation id"),
    ],
)
def test_header_of_a_list(folder, file, line):
    write_listed(folder, small_graph(), ids=line.endswith("id") or line.startswith("id"))
    prepend(folder / file, line)
    assert error_of(read_graph, folder).startswith(f"{folder / file}:1: found the header ")


def test_a_name_that_is_such_a_word_may_come_first_in_a_list(folder):
    graph = small_graph()
    graph.entities[0], graph.relations[0] = "entity", "property"
    parsed = read_graph(write_listed(folder, graph))
    assert parsed.entities.names[0] == "entity"
    assert parsed.warnings == ()


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("entity2id.txt", "entity\tid"),
        ("train2id.txt", "head tail relation"),
        ("test2id.txt", "h t r"),
    ],
)
def test_header_of_openke_files(folder, file, line, index):
    write_openke(folder, small_graph())
    path = folder / file
    lines = path.read_text().splitlines()
    write(path, [*lines[:index], line, *lines[index:]])
    if index:
        path.write_text(path.read_text().replace(lines[0], str(len(lines)), 1))
    assert error_of(read_graph, folder).startswith(f"{path}:{1 + index}: found ")


@pytest.mark.parametrize(
    ("order", "name"),
    [((0, 2, 1), "head tail relation"), ((1, 0, 2), "relation head tail")],
)
def test_columns_in_another_order(folder, order, name):
    rows = [("a", "likes", "b"), ("b", "likes", "c"), ("c", "knows", "a"), ("b", "knows", "a")]
    lines = ["\t".join(row[column] for column in order) for row in rows]
    for split in ("train", "valid", "test"):
        write(folder / f"{split}.txt", lines)
    warnings = check_graph(read_graph(folder)).warnings
    assert f"if the columns are {name}, expected is head relation tail" in warnings[0]
