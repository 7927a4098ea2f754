"""The types of the graph for TensorRT 8.6, which has no strongly typed networks and chooses types itself.

It is allowed float16 if the graph has any, INT8 if it has Q/DQ, and every layer that the graph computes in float32 is
pinned to it, above all the score. Source: developer guide of 8.6, "Reduced precision".
"""

from collections.abc import Iterator

from eengines.nvinfer import api
from eengines.nvinfer import api_of_some as some
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.offers import offers
from eengines.nvinfer.wiring import Wiring

__all__ = ["allow_types", "graph_types"]


def allow_types(
    trt: TensorRt, network: api.INetworkDefinition, config: api.IBuilderConfig, flags: some.WeakTyping
) -> None:
    """Set the flags of a weakly typed build, and pin what the graph has in float32."""
    layers = list(graph_types(trt, network))
    rounding = {int(trt.LayerType.QUANTIZE), int(trt.LayerType.DEQUANTIZE)}
    if any(int(layer.type) in rounding for layer, _ in layers):
        config.set_flag(flags.INT8)
    if not any(_is(kind, trt.DataType.HALF) for _, kind in layers):
        return
    config.set_flag(flags.FP16)
    config.set_flag(flags.PREFER_PRECISION_CONSTRAINTS)
    for layer, kind in layers:
        pinned = offers(layer, some.PinnedLayer)  # type: ignore[type-abstract] # it is never called
        if pinned and _is(kind, trt.DataType.FLOAT) and int(layer.type) not in {*rounding, *_declared(trt)}:
            pinned.precision = trt.DataType.FLOAT
            for index in range(layer.num_outputs):
                pinned.set_output_type(index, trt.DataType.FLOAT)


def graph_types(trt: TensorRt, network: api.INetworkDefinition) -> Iterator[tuple[api.ILayer, api.DataType]]:
    """Yield each layer with the type that the graph gives its first output.

    A weakly typed network knows the types of inputs, constants and casts; the rest follows by ONNX's rules: DQ makes
    the type of its scale, other layers that of their first floating-point input.
    """
    wiring = Wiring(network)
    floats = {int(trt.DataType.FLOAT), int(trt.DataType.HALF)}
    known: dict[int, api.DataType] = {}
    for layer in wiring.layers:
        output = layer.get_output(0)
        kind = output.dtype
        if int(kind) in floats and int(layer.type) not in _declared(trt):
            first = 1 if int(layer.type) == int(trt.LayerType.DEQUANTIZE) else 0
            tensors = [layer.get_input(index) for index in range(first, layer.num_inputs)]
            given = [known.get(id(tensor), tensor.dtype) for tensor in tensors if tensor is not None]
            kind = next((one for one in given if int(one) in floats), kind)
        for index in range(layer.num_outputs):
            known[id(layer.get_output(index))] = kind
        yield layer, kind


def _declared(trt: TensorRt) -> set[int]:
    """Kinds of layers that say themselves what they make."""
    return {int(trt.LayerType.CONSTANT), int(trt.LayerType.CAST), int(trt.LayerType.SHAPE)}


def _is(kind: api.DataType, wanted: api.DataType) -> bool:
    return int(kind) == int(wanted)
