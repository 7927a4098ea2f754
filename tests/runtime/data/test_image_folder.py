"""Folders of images become uint8 NCHW arrays, or an error that names the file."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eengines.errors import DataError
from eerun.data.image_folder import load_image_folder


def save(path: Path, value: int, *, mode: str = "RGB", size: tuple[int, int] = (5, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (value, 0, 255 - value) if mode == "RGB" else value
    Image.new(mode, size, colour).save(path)


def test_one_folder_a_class(tmp_path: Path):
    save(tmp_path / "dog" / "b.png", 20)
    save(tmp_path / "cat" / "z.png", 10)
    save(tmp_path / "cat" / "a.PNG", 11)
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    data = load_image_folder(tmp_path, input_names=("image",))
    samples = data.splits["all"]
    assert data.classes == ("cat", "dog")
    pixels = samples.inputs["image"]
    assert pixels.shape == (3, 3, 4, 5)
    assert pixels.dtype == np.uint8
    assert pixels[:, 0, 0, 0].tolist() == [11, 10, 20]
    assert pixels[0, :, 3, 4].tolist() == [11, 0, 244]
    assert samples.labels is not None
    assert samples.labels.tolist() == [0, 0, 1]


def test_splits_share_their_classes(tmp_path: Path):
    save(tmp_path / "train" / "b" / "0.png", 1)
    save(tmp_path / "train" / "a" / "0.png", 2)
    save(tmp_path / "test" / "c" / "0.png", 3)
    data = load_image_folder(tmp_path, input_names=("x",))
    assert data.classes == ("a", "b", "c")
    assert list(data.splits) == ["train", "test"]
    labels = data.splits["test"].labels
    assert labels is not None
    assert labels.tolist() == [2]


def test_only_grey_images_give_one_channel(tmp_path: Path):
    save(tmp_path / "a" / "0.png", 7, mode="L")
    assert load_image_folder(tmp_path, input_names=("x",)).splits["all"].inputs["x"].shape == (1, 1, 4, 5)
    save(tmp_path / "a" / "1.png", 9)
    pixels = load_image_folder(tmp_path, input_names=("x",)).splits["all"].inputs["x"]
    assert pixels.shape == (2, 3, 4, 5)
    assert pixels[0, :, 0, 0].tolist() == [7, 7, 7]


def test_a_different_size_is_refused_by_name(tmp_path: Path):
    save(tmp_path / "a" / "0.png", 1)
    save(tmp_path / "a" / "big.png", 1, size=(6, 4))
    with pytest.raises(DataError, match=r"big\.png: is 6x4 pixels, the images before it are 5x4"):
        load_image_folder(tmp_path, input_names=("x",))


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "fake.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"fake\.png: does not open"):
        load_image_folder(tmp_path, input_names=("x",))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_image_is_refused_by_name(tmp_path: Path, suffix: str):
    path = tmp_path / "a" / f"cut.{suffix}"
    path.parent.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match=rf"cut\.{suffix}"):
        load_image_folder(tmp_path, input_names=("x",))


def test_sixteen_bit_images_are_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "a" / "deep.png")
    with pytest.raises(DataError, match="mode 'I;16', expected 8 bits"):
        load_image_folder(tmp_path, input_names=("x",))


def test_empty_folders_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no sub-folders"):
        load_image_folder(tmp_path, input_names=("x",))
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="has no images"):
        load_image_folder(tmp_path, input_names=("x",))


def test_an_unknown_split_is_refused(tmp_path: Path):
    save(tmp_path / "train" / "a" / "0.png", 1)
    save(tmp_path / "val" / "a" / "0.png", 1)
    with pytest.raises(DataError, match="unknown split 'val'"):
        load_image_folder(tmp_path, input_names=("x",))


def test_two_inputs_are_refused(tmp_path: Path):
    save(tmp_path / "a" / "0.png", 1)
    with pytest.raises(DataError, match="the network has 2: a, b"):
        load_image_folder(tmp_path, input_names=("a", "b"))


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save(tmp_path / "a" / "0.png", 1)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"eecompile\[images\]"):
        load_image_folder(tmp_path, input_names=("x",))
