"""Data sets known by name: of which kind, where published, and the SHA-256 of every file.

One entry in `DATASETS` is all that a new one needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kapl_jax.data.misspelling import similar_to

_EMBEDDED = Path(__file__).parent / "embedded"

# X_ind is the graph on which a model trained on X is tested: the same relations, other entities.
INDUCTIVE_SUFFIX = "_ind"


@dataclass(frozen=True)
class Kind:
    """What a data set is made of: a method takes data sets of one kind.

    Attributes:
        noun: How messages call data of this kind.
        folder: The folder that holds such data sets in a folder of data.
        file_endings: Endings of files that are a data set on their own.
        generated: Names of data that are made by the package, and lie nowhere.
    """

    noun: str
    folder: str
    file_endings: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()


GRAPHS = Kind(noun="knowledge graph", folder="kg")
RATINGS = Kind(
    noun="set of ratings",
    folder="recsys",
    file_endings=(".csv", ".tsv", ".inter", ".dat", ".data", ".zip"),
    generated=("planted",),
)
KINDS = (GRAPHS, RATINGS)


@dataclass(frozen=True)
class Dataset:
    """A registered data set.

    Attributes:
        name: Its name, also that of its folder.
        base_url: Where its files lie, with a slash at the end.
        sha256: The checksum of each file, by file name.
        aliases: Other names in use, beside different case, hyphens and underscores.
        embedded: The folder of a copy that comes with the package.
        kind: What it is made of.
        own_folder: The folder that holds it in a folder of data, if that is not its kind's.
    """

    name: str
    base_url: str
    sha256: Mapping[str, str]
    aliases: tuple[str, ...] = ()
    embedded: Path | None = None
    kind: Kind = GRAPHS
    own_folder: str | None = None

    @property
    def folder(self) -> str:
        """The folder that holds it in a folder of data."""
        return self.own_folder or self.kind.folder


def _github(repository: str, commit: str, folder: str) -> str:
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{folder}/"


def _red_gnn(name: str, setting: str = "transductive") -> str:
    commit = "c9badffdfe6b46dd94849ea843734a5b3d830c57"
    return _github("LARS-research/RED-GNN", commit, f"Static/{setting}/data/{name}")


def _pykeen(name: str) -> str:
    commit = "05c7bbb20c952f3e5e958e694344ace4005b1bbb"
    return _github("pykeen/pykeen", commit, f"src/pykeen/datasets/{name}")


def _openke(name: str) -> str:
    commit = "64c4ec8157abfc39112772e9825a349091da45f1"
    return _github("thunlp/OpenKE", commit, f"benchmarks/{name}")


def _movielens(name: str, sha256: str, *aliases: str) -> Dataset:
    return Dataset(
        name=name,
        base_url="https://files.grouplens.org/datasets/movielens/",
        sha256={f"{name}.zip": sha256},
        aliases=aliases,
        kind=RATINGS,
    )


def _inductive(name: str, sha256: Mapping[str, str]) -> Dataset:
    """Return the entry of one graph of an inductive pair; both have one, see `pair_of`."""
    return Dataset(
        name=name,
        base_url=_red_gnn(name, "inductive"),
        sha256=sha256,
        own_folder="kg-inductive",
    )


DATASETS = (
    Dataset(
        name="umls",
        base_url=_red_gnn("umls"),
        sha256={
            "entities.txt": "082c89718568e99ce54f52aa2d3a3cdf0711e0c45e46eb7de0fcf7a7fa8f2a44",
            "facts.txt": "76cdafb4d2c0f373a6376c71febcc2c7cd51ce8df020276e3a2eed2cac73c48c",
            "relations.txt": "313de7c4aff4e14d962a6cadaffbd590dd5a01d11fc850a8531d5e26ee745db4",
            "test.txt": "d72207ba52da6f9ca1a958a29e326c2b5cfa3b7a2b8d156d704644c325be3971",
            "train.txt": "9c8f18fdcb5a0cc5dbbf5ec8150e1f00e446383520f9303ca47ea77dbef0dd17",
            "valid.txt": "ba822243da69339090b440d2324a83b33729d3d449132f757355a9f2bc3afca2",
        },
        embedded=_EMBEDDED / "umls",
    ),
    Dataset(
        name="nations",
        base_url=_pykeen("nations"),
        sha256={
            "test.txt": "3971085165b47b6aeaec68058c6d8d98b3005e929db81268410b95ae4db770ab",
            "train.txt": "0830fa9da8e5bba2ccdaa45b7bdc9130451ba66b09ff2708f35fccaf82473e57",
            "valid.txt": "2b337a62e51a2f45c283eac98a70d21b7e0e102136be1539b2a52c652a7b0530",
        },
        aliases=("nation",),
    ),
    Dataset(
        name="kinships",
        base_url=_pykeen("kinships"),
        sha256={
            "test.txt": "05e5733265761d55be9c05bfaff5a8d0808df46f9c1e9d66cc3f2fe114e43d88",
            "train.txt": "738612111a6acf0e39662bde24c7e72a4d1edf20931beea077da367dda689731",
            "valid.txt": "c56f8630a583178b1e569f11a64aa535ae1ce0b0912d8b1e24716be2b37f04da",
        },
        aliases=("kinship",),
    ),
    Dataset(
        name="family",
        base_url=_red_gnn("family"),
        sha256={
            "entities.txt": "92b2490495481c3bcb121c0c03898aa644d762a4394c6376fc8b909d7e245c5b",
            "facts.txt": "137b7c79a58d49d4b0bf81321e3b25c9f570e88ab3ce437969cc8012c64b2f8e",
            "relations.txt": "b7d831023d060a07cab0db78e6e4d8ed492c42ef4476f43c82b6f54ce1106506",
            "test.txt": "42cc9b400a3bfbd8908c81a14a073fe3e0c73e51b8ed05d2587255c11d257eb8",
            "train.txt": "86b9f5e563a79723713018b735373694e96807d2df113e89092c50ba593a2385",
            "valid.txt": "b27c96db987d829aeb7ab8025d8b26cb469d9a8b9881fe84beeab96f9c9c7d30",
        },
    ),
    Dataset(
        name="WN18RR",
        base_url=_red_gnn("WN18RR"),
        sha256={
            "entities.txt": "ceeaf46e4b4f46265535b05d55934499150189f4fae6e33a00f7a341bc9d7bfa",
            "facts.txt": "973e44733fbc3f4f8896c4371b2810f36808939e4110d6ec42cffdc4f6af8fd3",
            "relations.txt": "00205a4aafe4a02cab3a86307da08a65ce783a20b32d49900e97b6ba7273d2cc",
            "test.txt": "0383bceaaa1096cf3c03ec021ed0048068e2355dbfc0239b292cefdac821cec5",
            "train.txt": "10a473601d22c82b4045cb2c3a0bdab264d68c9ecc72864acbdcb6b34ea88443",
            "valid.txt": "453ce7202afa58094a04d2b1560ee2b02660f1c260b32ce6651c8ccedd1028ab",
        },
        aliases=("wordnet18rr",),
    ),
    Dataset(
        name="FB15K237",
        base_url=_openke("FB15K237"),
        sha256={
            "entity2id.txt": "e4546cfdcd0b9bd0151cc0f6ef2edee29eb2bb55a3d47e668194999c036fba0d",
            "relation2id.txt": "fefd26d6cd5ff9d360efe5360c11bf112d019f42b3acf165a5c04aa2b66a42d9",
            "test2id.txt": "6027e649c1716ac9c1ef2f24672a416aa277aff3e14850ef915ac5a21df70417",
            "train2id.txt": "5f44223a02b39b8e398e77a787feb4f06e9ffccf1ae87047bbf38fcc8cc08bd2",
            "valid2id.txt": "7d21e778de4369d5348f5cff23a08dc847ab5fce4b5f07c80113297d2dc60a86",
        },
        aliases=(
            "fb237",
            "freebase15k237",
        ),
    ),
    _inductive(
        "WN18RR_v1",
        {
            "entities.txt": "dda756053d2e5177f1283447438e9c8a936b5a1f2a9919c08693c70fbffe3a28",
            "relations.txt": "cacbd6fc4ee434f8eb241b259d9127b816daf55688e7fead6eb1ab478592fa3b",
            "test.txt": "f1cb44e999e2540a0a614f4bb710c7f82a9304432ff37ce282749b56c66d0d20",
            "train.txt": "4cc72d4fdcc8206e208e1f59f3c778be5de4a68cfe76776d15245b0d2c08d396",
            "valid.txt": "5cebd29da8ada35ac73b6875329884cdf83943ddea454e9f70cc43b423ea479b",
        },
    ),
    _inductive(
        "WN18RR_v1_ind",
        {
            "entities.txt": "21cef4f8924004446c977f296d1e95ddb275e9a25752405dd44fb2f649ab99cc",
            "relations.txt": "397e9ae0d358156f4e43c7dba3e9296245acc3ae66fdd366fb5c982c53fe2e24",
            "test.txt": "6df8c00a2e0cf1a4b484ac638c081198926fcbc411ce2e12ccc79d432eead269",
            "train.txt": "7d1b73c5994e9aa816b34e33ee10707656803ba6b8a0f6066cae7ddc04f87553",
            "valid.txt": "cfa28b9d75dbab17ea82a9443a5bf8acb738e60267cc63f8a221b38967e1d238",
        },
    ),
    _inductive(
        "fb237_v1",
        {
            "entities.txt": "eaa6ed97f05044287e332b96ddbb5962be384599b9bf8d51fa29bf129d72bfe5",
            "relations.txt": "c9a67e2f25c1beae8bf7c25832741561fb0e1d501e4f450db21a56a98da2af96",
            "test.txt": "130534f98bc3b9621bc866035098b132091e8bc749fbad327b5978f3d47f49f7",
            "train.txt": "74ef3120fe38a22e5131064d23108b88a8d339496057fa8467d80dcda8f1cec1",
            "valid.txt": "d4c2698d7dc36c0dc39ffb3d810caeafe530d779bf9f6451fac2027f41c2ff6d",
        },
    ),
    _inductive(
        "fb237_v1_ind",
        {
            "entities.txt": "f04518c4950f5cecfdc292990d9adca72a3fa9d35d393662e9fe3b71cb7c13ab",
            "relations.txt": "c9a67e2f25c1beae8bf7c25832741561fb0e1d501e4f450db21a56a98da2af96",
            "test.txt": "c79d39372be30a3864cfe5094b3022f38b57d88c351dbbfa2d9e7f3368ac23aa",
            "train.txt": "049829f7047ecf0e0bff0769efca31bc7f811f760c4ffcb20a5680f789b00c61",
            "valid.txt": "ac817123c4177ef46b08a3802380a355282b99d4283c43474c9dd91c082107dd",
        },
    ),
    _inductive(
        "nell_v1",
        {
            "entities.txt": "50e4945e39756fd8a287432844ac72404129a43e85eeb561de7474d907447eff",
            "relations.txt": "7172be08b64e9bc8577f199ad585fe42f82bca917e40e0acf2cac32023e8482e",
            "test.txt": "45ec92b2c2b6cfdd1fe29001dcb1fa5b8fc3c5c4cf0778e67ddad9f6fcce5f53",
            "train.txt": "d2b5d535ace4d1e3a18e69176e84a3ada1ca62fb4a647a12c4222781b91615ba",
            "valid.txt": "d11d6de249ff1185e701536a7d63f0c997cf7cce2646f3d17c06ecc885835726",
        },
    ),
    _inductive(
        "nell_v1_ind",
        {
            "entities.txt": "05f08a344aa394313b2dfc839509b6ea6a4f6fab0027fa4e774fd8a04046cefb",
            "relations.txt": "7172be08b64e9bc8577f199ad585fe42f82bca917e40e0acf2cac32023e8482e",
            "test.txt": "66a497671114e73f450cf9e5eb79be5e5790121816228eb43e3ba3481e2bfa28",
            "train.txt": "b0bfb66f65d70586a26703eb022926a75c1f234d1bcdeafe2e8d387be41291ee",
            "valid.txt": "297c1c82c944bd76255f6ad4cc22f5ecbb23c9daac366e8991b5770ca0dfb8fc",
        },
    ),
    Dataset(
        name="lastfm",
        base_url="https://raw.githubusercontent.com/LARS-research/ColdNAS/"
        "ca5a9fcbfdf60a68fe7f15af1d336891aec63e40/",
        sha256={"data.zip": "fb8c36484f96bfd926c4a3d8a3ae1bc04c8be57a8971cf9d6bce90ebe5ca9c3c"},
        aliases=("last.fm", "lastfm20"),
        kind=RATINGS,
    ),
    _movielens(
        "ml-100k",
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        "movielens100k",
    ),
    _movielens(
        "ml-1m",
        "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
        "movielens1m",
    ),
)


def find_dataset(name: str) -> Dataset | None:
    """Return the data set called `name`; case, hyphens and underscores do not matter."""
    return _by_plain_name().get(_plain(name))


def pair_of(dataset: Dataset) -> tuple[Dataset, ...]:
    """Return the data set and, where it is the first graph of an inductive pair, the second."""
    second = find_dataset(dataset.name + INDUCTIVE_SUFFIX)
    return (dataset,) if second is None else (dataset, second)


def is_generated(name: str, kind: Kind) -> bool:
    """Tell whether data called `name` are made by the package."""
    return _plain(name) in map(_plain, kind.generated)


def kind_of(name: str) -> Kind | None:
    """Return the kind of the data called `name`, None for what is no name."""
    dataset = find_dataset(name)
    if dataset is not None:
        return dataset.kind
    return next((kind for kind in KINDS if is_generated(name, kind)), None)


def has_name(dataset: str, kind: Kind) -> bool:
    """Tell whether data are called by name, those of `kind` that are generated among them."""
    return kind_of(dataset) is not None or is_generated(dataset, kind)


def registered_names(kind: Kind | None = None) -> tuple[str, ...]:
    """Return the names of all registered data sets, or of those of one kind."""
    return tuple(dataset.name for dataset in DATASETS if _fits(dataset, kind))


def names_of_kind(kind: Kind) -> tuple[str, ...]:
    """Return all names for data of one kind: generated ones, then data sets."""
    return (*kind.generated, *registered_names(kind))


def similar_names(name: str, kind: Kind | None = None) -> tuple[str, ...]:
    """Return names that `name` may be a misspelling of, nearest first, of one kind or of any."""
    known = {plain: found.name for plain, found in _by_plain_name().items() if _fits(found, kind)}
    known |= {_plain(generated): generated for generated in (kind.generated if kind else ())}
    return tuple(dict.fromkeys(known[plain] for plain in similar_to(_plain(name), known)))


def _fits(dataset: Dataset, kind: Kind | None) -> bool:
    return kind in (None, dataset.kind)


def _by_plain_name() -> dict[str, Dataset]:
    return {
        _plain(name): dataset for dataset in DATASETS for name in (dataset.name, *dataset.aliases)
    }


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")
