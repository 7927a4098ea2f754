"""Rows of features in a memory-mapped file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eengines.errors import UserError

__all__ = ["FeatureFile"]

_AS_NUMPY: dict[torch.dtype, np.dtype[Any]] = {torch.float32: np.dtype(np.float32), torch.bfloat16: np.dtype(np.int16)}
"""numpy has no bfloat16: its bits are kept as integers."""


class FeatureFile:
    """An array `[rows, *shape]` on disk, written once and then read by row.

    Args:
        path: a new file.
        rows: how many.
        shape: of one row.
        dtype: float32 or bfloat16.

    Raises:
        UserError: the disk has no room for it. The room is taken at once, so that writing cannot fail later.
    """

    def __init__(self, path: Path, rows: int, shape: Sequence[int], dtype: torch.dtype) -> None:
        self._dtype = dtype
        stored = _AS_NUMPY[dtype]
        size = rows * int(np.prod(shape, dtype=np.int64)) * stored.itemsize
        with path.open("xb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
            except OSError as error:
                problem = f"got {error.strerror} for {size / (1 << 20):,.0f} MiB of features"
                remedy = "Choose a folder with more room by the variable TMPDIR, or keep less: --cache-size"
                raise UserError(str(path.parent), problem, remedy) from error
        self._array = np.memmap(path, stored, "r+", shape=(rows, *shape))

    def write(self, start: int, values: Tensor) -> None:
        """Keep the rows `values` `[n, *shape]` from row `start` on."""
        stored = values.detach().to("cpu", self._dtype).contiguous()
        bits = stored.view(torch.int16) if self._dtype is torch.bfloat16 else stored
        self._array[start : start + len(values)] = bits.numpy()

    def read(self, rows: NDArray[np.integer[Any]]) -> Tensor:
        """The rows at `rows` `[n]`, as float32 on the CPU, copied."""
        bits = torch.from_numpy(np.ascontiguousarray(self._array[rows]))
        return (bits.view(torch.bfloat16) if self._dtype is torch.bfloat16 else bits).float()
