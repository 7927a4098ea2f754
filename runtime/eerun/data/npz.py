"""A data set in one `.npz` file, read without pickle."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eengines.errors import DataError
from eerun.data.arrays import data_set_from_arrays
from eerun.data.data_set import DataSet

__all__ = ["load_npz"]

_REMEDY = "Write it again with np.savez(path, x=..., y=...)"


def load_npz(path: Path, *, input_names: Sequence[str]) -> DataSet:
    """Read a `.npz` whose keys `data_set_from_arrays` describes.

    Raises:
        DataError: the file is missing, damaged, not a `.npz`, needs pickle, or its arrays do not fit together.
    """
    source = str(path)
    try:
        # np.load guesses from the first bytes and would take anything that is not a zip for a pickle.
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(not name.endswith(".npy") for name in names):
            raise DataError(source, f"is a zip but not a .npz: got {', '.join(names[:5])}", _REMEDY)
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError as error:
        raise DataError(source, "no such file", "Check the path given to --data") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise DataError(source, f"is damaged or not a .npz file: {error}", _REMEDY) from error
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            problem = "holds Python objects, which need pickle and could run code: expected arrays of numbers"
            raise DataError(source, problem, "Save numeric arrays, all samples of one shape") from error
        raise DataError(source, f"is damaged: {error}", _REMEDY) from error
    return data_set_from_arrays(arrays, source=source, input_names=input_names)
