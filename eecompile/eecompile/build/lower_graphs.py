"""The graphs of a network in one precision, written the way one engine runs them fastest."""

from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from eecalib.int8.ranges import Ranges
from eecompile.precision.channels_last import channels_last
from eecompile.precision.float_types import to_half
from eecompile.precision.int8 import quantise, quantised_crossings, share_ranges
from eecompile.split import Split
from eengines.errors import BuildError

__all__ = ["Graphs", "Lowering", "lower_graphs", "serialize"]

MAX_GRAPH_BYTES = 2**31 - 2**20

HALF = {"float16": ir.DataType.FLOAT16, "bfloat16": ir.DataType.BFLOAT16}

CHANNELS_LAST = frozenset({("openvino", "bfloat16"), ("openvino", "int8")})
"""Where an engine keeps images with channels last, so that boundaries should, too."""


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """Serialized ONNX graphs."""

    segments: tuple[bytes, ...]
    whole: bytes


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """What graphs are made of.

    Attributes:
        split: the float32 segments.
        ranges: for INT8; None if nothing was calibrated.
        keep_float: names of nodes that stay in float.
    """

    split: Split
    ranges: Ranges | None
    keep_float: frozenset[str]


def lower_graphs(source: Lowering, *, family: str, precision: str) -> Graphs:
    """Return the graphs for one family of engines.

    Raises:
        BuildError: the network cannot be written in this precision, or is too large.
    """
    models = [segment.model for segment in source.split.segments]
    crossing = source.split.crossing
    if precision == "int8":
        segments, whole, crossing = _int8(source, models, family)
    elif precision in HALF:
        convert = _half(precision, crossing, source.keep_float)
        segments, whole = [convert(model) for model in models], convert(source.split.whole)
    else:
        segments, whole = models, source.split.whole
    if (family, precision) in CHANNELS_LAST:
        for model in segments:
            channels_last(model, crossing=crossing)
    return Graphs(
        segments=tuple(serialize(model, index) for index, model in enumerate(segments)), whole=serialize(whole, None)
    )


def _half(precision: str, crossing: frozenset[str], keep_float: frozenset[str]) -> Callable[[ir.Model], ir.Model]:
    def convert(model: ir.Model) -> ir.Model:
        result = model.clone()
        to_half(result, dtype=HALF[precision], crossing=crossing, keep_float=keep_float)
        return result

    return convert


def _int8(source: Lowering, models: list[ir.Model], family: str) -> tuple[list[ir.Model], ir.Model, frozenset[str]]:
    """Segments and whole network with Q/DQ nodes, and what crosses."""
    if source.ranges is None:
        raise BuildError("int8", "nothing was calibrated", "Give --data")
    keep = source.keep_float
    eight_bits = quantised_crossings(models, keep_float=keep) if family != "tensorrt" else frozenset[str]()
    ranges = share_ranges(models, source.ranges.tensors, keep_float=keep)
    segments = [quantise(model, family=family, ranges=ranges, keep_float=keep, crossing=eight_bits) for model in models]
    whole = quantise(
        source.split.whole, family=family, ranges=source.ranges.whole, keep_float=keep, crossing=frozenset()
    )
    return segments, whole, source.split.crossing


def serialize(model: ir.Model, index: int | None) -> bytes:
    """A graph as bytes, weights inside."""
    proto = ir.to_proto(model)
    size = proto.ByteSize()
    if size > MAX_GRAPH_BYTES:
        raise BuildError(
            "whole network" if index is None else f"segment {index}",
            f"its graph has {size} bytes, ONNX files hold at most {MAX_GRAPH_BYTES}",
            "Use a smaller network",
        )
    return bytes(proto.SerializeToString(deterministic=True))
