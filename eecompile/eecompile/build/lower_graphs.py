"""The graphs of a network in one precision, written the way one engine runs them fastest."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import onnx_ir as ir

from eecalib.int8.ranges import Ranges
from eecompile.precision.channels_last import channels_last
from eecompile.precision.float_types import to_half
from eecompile.precision.int8 import quantise, quantised_crossings, share_ranges
from eecompile.precision.overflow import Overflow
from eecompile.split import Split
from eengines.errors import BuildError

__all__ = [
    "Graphs",
    "Lowering",
    "Models",
    "lower_graphs",
    "quantise_models",
    "serialize",
    "serialize_all",
    "to_half_models",
]

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
class Models:
    """The same before they are serialized."""

    segments: tuple[ir.Model, ...]
    whole: ir.Model


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """What graphs are made of.

    Attributes:
        split: the float32 segments.
        ranges: for INT8; None if nothing was calibrated.
        keep_float: names of nodes that stay in float.
        too_large: what would overflow float16; None if nobody looked.
    """

    split: Split
    ranges: Ranges | None
    keep_float: frozenset[str]
    too_large: Overflow | None = None

    def stays_float(self, *, half: bool) -> frozenset[str]:
        """Names of the nodes that stay in float; in float16 graphs also those that would overflow."""
        return self.keep_float | (self.too_large.keep_float if half and self.too_large is not None else frozenset())


def lower_graphs(source: Lowering, *, family: str, precision: str) -> Graphs:
    """Return the graphs for one engine on the CPU.

    Raises:
        BuildError: the network cannot be written in this precision, or is too large.
    """
    if precision == "int8":
        models = _int8(source, family)
    elif precision in HALF:
        models = to_half_models(source, precision)
    else:
        models = Models(segments=tuple(s.model for s in source.split.segments), whole=source.split.whole)
    if (family, precision) in CHANNELS_LAST:
        for model in models.segments:
            channels_last(model, crossing=source.split.crossing)
    return serialize_all(models)


def to_half_models(source: Lowering, precision: str) -> Models:
    """Segments and whole network with half precision types; boundaries, too."""
    keep, crossing = source.stays_float(half=precision == "float16"), source.split.crossing
    if precision == "float16" and source.too_large is not None:
        crossing -= source.too_large.keep_crossing

    def convert(model: ir.Model) -> ir.Model:
        result = model.clone()
        to_half(result, dtype=HALF[precision], crossing=crossing, keep_float=keep)
        return result

    return Models(segments=tuple(convert(s.model) for s in source.split.segments), whole=convert(source.split.whole))


def _int8(source: Lowering, family: str) -> Models:
    """Segments and whole network with Q/DQ nodes; what can cross as uint8 does."""
    models = [segment.model for segment in source.split.segments]
    crossing = quantised_crossings(models, keep_float=source.keep_float)
    return quantise_models(source, models, source.split.whole, family=family, crossing=crossing)


def quantise_models(
    source: Lowering, segments: Sequence[ir.Model], whole: ir.Model, *, family: str, crossing: frozenset[str]
) -> Models:
    """Write Q/DQ nodes into segments and whole network."""
    if source.ranges is None:
        raise BuildError("int8", "nothing was calibrated", "Give --data")
    keep = source.keep_float
    ranges = share_ranges(segments, source.ranges.tensors, keep_float=keep)
    return Models(
        segments=tuple(
            quantise(model, family=family, ranges=ranges, keep_float=keep, crossing=crossing) for model in segments
        ),
        whole=quantise(whole, family=family, ranges=source.ranges.whole, keep_float=keep, crossing=frozenset()),
    )


def serialize_all(models: Models) -> Graphs:
    """Graphs as bytes."""
    return Graphs(
        segments=tuple(serialize(model, index) for index, model in enumerate(models.segments)),
        whole=serialize(models.whole, None),
    )


def serialize(model: ir.Model, index: int | None) -> bytes:
    """A graph as bytes, weights inside; in one form, so that a refresh can compare graphs that came about otherwise.

    Weights are ordered by name, and their types are said once.
    """
    proto = ir.to_proto(model)
    proto.graph.initializer.sort(key=attrgetter("name"))
    stored = {tensor.name for tensor in proto.graph.initializer}
    computed = [value for value in proto.graph.value_info if value.name not in stored]
    proto.graph.ClearField("value_info")
    proto.graph.value_info.extend(computed)
    size = proto.ByteSize()
    if size > MAX_GRAPH_BYTES:
        raise BuildError(
            "whole network" if index is None else f"segment {index}",
            f"its graph has {size} bytes, ONNX files hold at most {MAX_GRAPH_BYTES}",
            "Use a smaller network",
        )
    return bytes(proto.SerializeToString(deterministic=True))
