"""A `.npz` is read without pickle; a damaged one is refused by name."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from eengines.errors import DataError
from eerun.data.npz import load_npz


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "model.npz"
    rng = np.random.default_rng(0)
    np.savez(path, x_train=rng.random((6, 3), np.float32), x_test=rng.random((4, 3), np.float32), y_test=np.arange(4))
    return path


def test_reads_what_numpy_wrote(written: Path):
    data = load_npz(written, input_names=("x",))
    assert {name: len(samples) for name, samples in data.splits.items()} == {"train": 6, "test": 4}
    assert data.source == str(written)
    np.testing.assert_array_equal(data.splits["test"].inputs["x"], np.load(written)["x_test"])


def test_compressed_files_are_read(tmp_path: Path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2, 3)))
    assert len(load_npz(tmp_path / "a.npz", input_names=("x",)).splits["all"]) == 2


def test_missing(tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        load_npz(tmp_path / "none.npz", input_names=("x",))


def test_every_truncation_is_a_data_error(written: Path, tmp_path: Path):
    whole = written.read_bytes()
    cut = tmp_path / "cut.npz"
    for size in range(0, len(whole), 97):
        cut.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"damaged or not a \.npz"):
            load_npz(cut, input_names=("x",))


def test_changed_bytes_are_found(written: Path, tmp_path: Path):
    changed = bytearray(written.read_bytes())
    changed[200] ^= 0xFF
    (tmp_path / "changed.npz").write_bytes(changed)
    with pytest.raises(DataError, match=r"changed\.npz"):
        load_npz(tmp_path / "changed.npz", input_names=("x",))


def test_object_arrays_are_refused(tmp_path: Path):
    np.savez(tmp_path / "o.npz", x=np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(DataError, match="need pickle and could run code"):
        load_npz(tmp_path / "o.npz", input_names=("x",))


def test_another_zip_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "z.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"a zip but not a \.npz: got readme\.txt"):
        load_npz(tmp_path / "z.npz", input_names=("x",))


def test_a_single_npy_is_refused(tmp_path: Path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=r"not a \.npz"):
        load_npz(tmp_path / "a.npz", input_names=("x",))
