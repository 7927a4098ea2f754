"""What a network sees of raw samples, in numpy: the reference for the same conversion in the graph."""

import numpy as np

from eecompile.input_info import InputInfo
from eengines.tensors import Array

__all__ = ["network_values"]


def network_values(info: InputInfo, raw: Array) -> Array:
    """Return `(raw · scale − mean) / std` of samples `[samples, *info.shape]`, as `[samples, *info.network_shape]`.

    The arithmetic is float64; the result has the dtype that the network takes.
    """
    values = np.moveaxis(raw, -1, 1) if info.layout == "NHWC" else raw
    if info.normalised:
        per_channel = (1, -1) + (1,) * (values.ndim - 2)
        scale = 1.0 if info.scale is None else info.scale
        mean = np.array(info.mean or (0.0,)).reshape(per_channel)
        std = np.array(info.std or (1.0,)).reshape(per_channel)
        values = (values.astype(np.float64) * scale - mean) / std
    return np.ascontiguousarray(values.astype(info.network_dtype))
