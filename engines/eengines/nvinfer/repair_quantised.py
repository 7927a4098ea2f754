"""INT8 layers that have no implementation on a card: their Q/DQ is taken away, so that they compute in float.

On SM75 and before not every layer has one. The library's developer guide says so, and to remove the layer's Q/DQ
("Working with quantized types", limitations of explicit quantisation).
"""

import re
from collections.abc import Iterable, Sequence

from eengines.nvinfer import api
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.wiring import Wiring

__all__ = ["named_layers", "repair_quantised"]

REFUSALS = (
    re.compile(r"[Cc]ould not find any implementation for node (?P<nodes>.+)"),
    re.compile(r"Cannot compile operation '(?P<nodes>.+)' for .*native INT8 convolution is not"),
)
"""What TensorRT, and TensorRT for RTX, say. A node may be several layers, fused: `a + b`, `{ForeignNode[a...b]}`."""

SHORT_OF_WORKSPACE = "due to insufficient workspace"
"""Then the layer has an implementation, and Q/DQ is not to blame."""

RANGE = re.compile(r"ForeignNode\[(?P<first>.+?)\.\.\.(?P<last>.+?)\]")
PART_OF_NAME = r"[\w/:-]"


def repair_quantised(trt: TensorRt, network: api.INetworkDefinition, refusal: str) -> tuple[str, ...]:
    """Take the Q/DQ away in front of the layers that a refusal names.

    Returns:
        one sentence for each layer that now reads floats; empty: no named layer had Q/DQ (any more).
    """
    wiring, kinds = Wiring(network), trt.LayerType
    changed: dict[str, None] = {}
    for named in named_layers(refusal, wiring.layers):
        for layer in _readers(trt, named, wiring):
            for index in range(layer.num_inputs):
                tensor = layer.get_input(index)
                dequantise = wiring.producer(tensor) if tensor is not None else None
                if tensor is not None and dequantise is not None and int(dequantise.type) == int(kinds.DEQUANTIZE):
                    source = _before_rounding(trt, network, dequantise, wiring)
                    if source is not None:
                        layer.set_input(index, source)
                        changed[layer.name] = None
    return tuple(f"{name}: computed in float, there is no INT8 implementation for this card" for name in changed)


def named_layers(refusal: str, layers: Sequence[api.ILayer]) -> list[api.ILayer]:
    """The layers of a network that a refusal names, in the order of the network."""
    found: set[int] = set()
    for line in refusal.splitlines() or [""]:
        matches = [match for pattern in REFUSALS if (match := pattern.search(line))]
        if matches and SHORT_OF_WORKSPACE not in line:
            found.update(_positions(matches[0]["nodes"], [layer.name for layer in layers]))
    return [layers[position] for position in sorted(found)]


def _positions(nodes: str, names: Sequence[str]) -> Iterable[int]:
    for match in RANGE.finditer(nodes):
        ends = [position for position, name in enumerate(names) if name in (match["first"], match["last"])]
        if ends:
            yield from range(min(ends), max(ends) + 1)
    rest = RANGE.sub(" ", nodes)
    for position, name in enumerate(names):
        if name and re.search(rf"(?<!{PART_OF_NAME}){re.escape(name)}(?!{PART_OF_NAME})", rest):
            yield position


def _readers(trt: TensorRt, layer: api.ILayer, wiring: Wiring) -> list[api.ILayer]:
    """The layer itself; of Q and DQ, those that read what they round."""
    if int(layer.type) not in {int(trt.LayerType.QUANTIZE), int(trt.LayerType.DEQUANTIZE)}:
        return [layer]
    users = [user for user, _ in wiring.users(layer.get_output(0))]
    return [reader for user in users for reader in _readers(trt, user, wiring)]


def _before_rounding(
    trt: TensorRt, network: api.INetworkDefinition, dequantise: api.ILayer, wiring: Wiring
) -> api.ITensor | None:
    """What was rounded, in the type that comes out of DQ; None: the integers are constants, there are no floats."""
    integers = dequantise.get_input(0)
    quantise = wiring.producer(integers) if integers is not None else None
    if quantise is None or int(quantise.type) != int(trt.LayerType.QUANTIZE):
        return None
    source, wanted = quantise.get_input(0), dequantise.get_output(0).dtype
    if source is None or source.dtype == wanted:
        return source
    return network.add_cast(source, wanted).get_output(0)
