"""The same conversion as `prepend_input_conversion`, in numpy: what the network sees of raw samples."""

from typing import Any

import numpy as np

from eecompile.checkpoint import InputInfo
from eengines.tensors import Array

__all__ = ["convert_input"]


def convert_input(info: InputInfo, raw: Array, dtype: Any) -> Array:
    """Return `(raw · scale − mean) / std` as the network's dtype, channels in axis 1.

    Args:
        info: how the raw samples are stored.
        raw: `[samples, *info.shape]`.
        dtype: the network's dtype; integers are cast only.
    """
    array = np.moveaxis(raw, -1, 1) if info.layout == "NHWC" else raw
    if np.dtype(dtype).kind != "f":
        return array.astype(dtype)
    shape = (1, -1, *([1] * (array.ndim - 2)))
    scale = 1.0 if info.scale is None else float(info.scale)
    mean = np.zeros(1) if info.mean is None else np.asarray(info.mean, np.float64).reshape(-1)
    std = np.ones(1) if info.std is None else np.asarray(info.std, np.float64).reshape(-1)
    converted = (array.astype(np.float64) * scale - mean.reshape(shape)) / std.reshape(shape)
    return np.ascontiguousarray(converted.astype(dtype))
