"""Look a value's range up."""

from collections.abc import Collection, Mapping

import onnx_ir as ir

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8.candidates import FLOATS
from eengines.errors import BuildError

__all__ = ["canonical_name", "find_range"]


def canonical_name(ranges: Collection[str], value: ir.Value) -> str:
    """The name under which a value has its range: its own, or behind casts between float types that of what was cast.

    Where no name on that way has a range, the value's own.
    """
    source: ir.Value | None = value
    while source is not None and source.name not in ranges:
        producer = source.producer()
        if producer is None or producer.op_type != "Cast":
            break
        source = producer.inputs[0]
        if source is not None and source.dtype not in FLOATS:
            break
    return (value if source is None or source.name not in ranges else source).name or ""


def find_range(ranges: Mapping[str, TensorRange], value: ir.Value) -> TensorRange:
    """Return the range of a value, by its canonical name.

    Raises:
        BuildError: it has none.
    """
    name = canonical_name(ranges, value)
    if name not in ranges:
        raise BuildError(
            f"value {name!r}",
            f"it has no range; there are {len(ranges)} ranges, for other values",
            "Calibrate it (calibration_values lists what is needed), or keep its readers in float with --keep-float",
        )
    return ranges[name]
