"""Arithmetic intensity: operations for each byte that has to be moved.

Source: Kosaian et al., Boosting the Throughput and Accelerator Utilization of Specialized CNN Inference Beyond
Increasing Batch Size, 2021, and its code:

    intensity = rows * sum of operations / (bytes a value * (sum of weights + rows * sum of values in and out))

over convolutions and fully connected layers, where rows = images / f: a row of a folded network is a group of f images.
Bias additions are operations. Every layer reads its input from memory and writes its output there.
"""

from collections.abc import Sequence

from eecompile.fold_plan.layer_work import LayerWork

__all__ = ["VALUE_BYTES", "arithmetic_intensity", "moved_bytes"]

VALUE_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes of a weight or value, by precision."""


def arithmetic_intensity(layers: Sequence[LayerWork], *, rows: float, precision: str) -> float:
    """Return operations a byte of some layers that answer `rows` rows at once."""
    return rows * sum(layer.flops for layer in layers) / moved_bytes(layers, rows=rows, precision=precision)


def moved_bytes(layers: Sequence[LayerWork], *, rows: float, precision: str) -> float:
    """Return the bytes that these layers read and write for `rows` rows."""
    weights, values = sum(layer.weights for layer in layers), sum(layer.values for layer in layers)
    return VALUE_BYTES[precision] * (weights + rows * values)
