"""Look a value's range up."""

from collections.abc import Mapping

import onnx_ir as ir

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.candidates import FLOATS
from eengines.errors import BuildError

__all__ = ["canonical_name", "find_range"]


def canonical_name(value: ir.Value) -> str:
    """The name that a value's range has: behind casts between float types, as a float16 graph has them, the first."""
    producer = value.producer()
    while producer is not None and producer.op_type == "Cast":
        source = producer.inputs[0]
        if source is None or source.dtype not in FLOATS:
            break
        value, producer = source, source.producer()
    return value.name or ""


def find_range(ranges: Mapping[str, TensorRange], value: ir.Value) -> TensorRange:
    """Return the range of a value, by its canonical name.

    Raises:
        BuildError: it has none.
    """
    name = canonical_name(value)
    if name not in ranges:
        raise BuildError(
            f"value {name!r}",
            f"it has no range; there are {len(ranges)} ranges, for other values",
            "Calibrate it (calibration_values lists what is needed), or keep its readers in float with --keep-float",
        )
    return ranges[name]
