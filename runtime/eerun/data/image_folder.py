"""A data set of image files: one sub-folder a class, `<class>/*` or `<split>/<class>/*`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eengines.errors import DataError
from eengines.tensors import Array
from eerun.data.data_set import SPLITS, UNSPLIT, DataSet, Samples

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["load_image_folder"]

_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_GREY_MODES = frozenset({"1", "L"})
_COLOUR_MODES = frozenset({"RGB", "RGBA", "P", "LA", "CMYK", "YCbCr"})
_REMEDY = "Put the images of each class into one sub-folder: <class>/*.png, or <split>/<class>/*.png"


def load_image_folder(folder: Path, *, input_names: Sequence[str]) -> DataSet:
    """Read a folder of images, all of one size.

    Each split is `[images, 3, height, width] uint8` (RGB), or `[images, 1, height, width]` where every image of the
    folder is grey. Classes are the sorted names of the class folders, over all splits; inside a split the images are
    sorted by class and file name.

    Raises:
        DataError: Pillow is missing, there are no images, an image does not open, or sizes differ.
    """
    if len(input_names) != 1:
        raise DataError(
            str(folder),
            f"an image folder feeds one input, the network has {len(input_names)}: {', '.join(input_names)}",
            "Give a .npz with one array for each input",
        )
    class_folders = {split: _folders(root) for split, root in _split_roots(folder).items()}
    classes = tuple(sorted({path.name for paths in class_folders.values() for path in paths}))
    files = {
        split: [(path, classes.index(parent.name)) for parent in parents for path in _images(parent)]
        for split, parents in class_folders.items()
    }
    for split, found in files.items():
        if not found:
            problem = "has no images" + ("" if split == UNSPLIT else f" in split '{split}'")
            raise DataError(str(folder), problem, _REMEDY)
    size, mode = _size_and_mode([path for found in files.values() for path, _ in found])
    splits = {}
    for split, found in files.items():
        labels = np.array([label for _, label in found], np.int64)
        pixels = _pixels([path for path, _ in found], size=size, mode=mode)
        splits[split] = Samples(inputs={input_names[0]: pixels}, labels=labels)
    return DataSet(splits=splits, classes=classes, source=str(folder))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in _SUFFIXES)


def _split_roots(folder: Path) -> dict[str, Path]:
    roots = _folders(folder)
    if not roots:
        raise DataError(str(folder), "has no sub-folders", _REMEDY)
    nested = [path for path in roots if _folders(path) and not _images(path)]
    if not nested:
        return {UNSPLIT: folder}
    unknown = [path.name for path in roots if path.name not in SPLITS]
    if unknown:
        raise DataError(
            str(folder), f"has the unknown split '{unknown[0]}'", f"The splits are {', '.join(SPLITS)}; rename it"
        )
    found = {path.name: path for path in roots}
    return {split: found[split] for split in SPLITS if split in found}


def _open(path: Path) -> "Image":
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        problem = "needs Pillow, which is not installed"
        raise DataError("--data with an image folder", problem, "Run: pip install 'eecompile[images]'") from error
    try:
        return Image.open(path)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise DataError(str(path), f"does not open as an image: {error}", "Replace or remove the file") from error


def _size_and_mode(paths: Sequence[Path]) -> tuple[tuple[int, int], str]:
    """Read all headers: return the one (width, height), and `L` if every image is grey, else `RGB`."""
    size: tuple[int, int] | None = None
    mode = "L"
    for path in paths:
        with _open(path) as image:
            if image.mode not in _GREY_MODES | _COLOUR_MODES:
                problem = f"has pixels of mode '{image.mode}', expected 8 bits a channel"
                raise DataError(str(path), problem, "Convert it to 8-bit grey or RGB")
            size = size or image.size
            if image.size != size:
                problem = f"is {image.width}x{image.height} pixels, the images before it are {size[0]}x{size[1]}"
                raise DataError(str(path), problem, "Resize all images to the network's input size")
            if image.mode not in _GREY_MODES:
                mode = "RGB"
    if size is None:
        raise DataError("image folder", "has no images", _REMEDY)
    return size, mode


def _pixels(paths: Sequence[Path], *, size: tuple[int, int], mode: str) -> Array:
    width, height = size
    pixels = np.empty((len(paths), 1 if mode == "L" else 3, height, width), np.uint8)
    for row, path in zip(pixels, paths, strict=True):
        with _open(path) as image:
            try:
                decoded = np.asarray(image.convert(mode))
            except (OSError, SyntaxError) as error:  # Pillow's word for a broken PNG chunk is SyntaxError
                raise DataError(str(path), f"is damaged: {error}", "Replace or remove the file") from error
        row[:] = decoded if mode == "L" else decoded.transpose(2, 0, 1)
    return pixels
