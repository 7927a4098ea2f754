"""Where a data set comes from: a `.npz` file, an image folder, or the user's own function."""

from collections.abc import Sequence
from pathlib import Path

from eengines.errors import DataError
from eerun.data.data_set import DataSet
from eerun.data.factory import is_function_name, load_from_function
from eerun.data.image_folder import load_image_folder
from eerun.data.npz import load_npz

__all__ = ["default_data_path", "load_data"]


def load_data(source: str | Path, *, input_names: Sequence[str]) -> DataSet:
    """Read a data set.

    Args:
        source: a `.npz` file, an image folder, or `package.module:function` (a path that exists comes first).
        input_names: the network's inputs, in its order.

    Raises:
        DataError: the source is missing, unreadable, or not what the network needs.
    """
    path = Path(source)
    if path.is_dir():
        return load_image_folder(path, input_names=input_names)
    if path.is_file():
        return load_npz(path, input_names=input_names)
    if is_function_name(str(source)):
        return load_from_function(str(source), input_names=input_names)
    raise DataError(
        str(source), "no such file or folder", "Give a .npz file, an image folder, or package.module:function"
    )


def default_data_path(beside: Path) -> Path | None:
    """Return `model.npz` beside `model.pt` or `model.ee` where it exists, else None."""
    path = beside.resolve().with_suffix(".npz")
    return path if path.is_file() else None
