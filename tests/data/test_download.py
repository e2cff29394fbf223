import dataclasses

import pytest

from kapl_jax.data.download import download, is_complete
from kapl_jax.errors import UserError


def test_files_arrive(published, cache):
    folder = cache / "toy"
    assert not is_complete(published, folder)
    assert download(published, folder) == folder
    assert is_complete(published, folder)
    assert (folder / "train.txt").read_text() == "ann\tlikes\tbob\nbob\tknows\tcid\n"


def test_damaged_file_is_downloaded_again(published, cache):
    folder = download(published, cache / "toy")
    content = (folder / "test.txt").read_bytes()
    (folder / "test.txt").write_bytes(b"damaged")
    download(published, folder)
    assert (folder / "test.txt").read_bytes() == content


def test_whole_files_are_not_asked_for_again(published, cache):
    folder = download(published, cache / "toy")
    offline = dataclasses.replace(published, base_url="http://127.0.0.1:1/")
    assert download(offline, folder) == folder


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": {"train.txt": "0" * 64}},
        {"sha256": {"absent.txt": "0" * 64}},
        {"base_url": "http://127.0.0.1:1/"},
    ],
    ids=["checksum", "not there", "no network"],
)
def test_failed_download(published, cache, change):
    broken = dataclasses.replace(published, **change)
    name = next(iter(broken.sha256))
    with pytest.raises(UserError) as caught:
        download(broken, cache / "toy")
    message = str(caught.value)
    assert message.startswith(f"toy: found no way to download {broken.base_url}{name} to ")
    assert "\n" not in message
    assert not is_complete(broken, cache / "toy")


def test_cache_that_cannot_be_written(published, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where a folder should be")
    with pytest.raises(UserError, match="toy: found no way to download"):
        download(published, cache / "toy")
