"""What the graph computes in float32 is known without the library's help, as TensorRT 8.6 gives none."""

from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper
from required import require_rtx

from eengines.nvinfer.messages import messages
from eengines.nvinfer.parse_graph import parse_graph
from eengines.nvinfer.weak_types import allow_types, graph_types

trt = require_rtx()

FLAGS = SimpleNamespace(FP16="FP16", INT8="INT8", PREFER_PRECISION_CONSTRAINTS="PREFER_PRECISION_CONSTRAINTS")


def half_with_a_score(graphs) -> bytes:
    """float16 up to the logits, then a float32 score."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["logits"], "linear"),
        helper.make_node("Cast", ["logits"], ["wide"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Softmax", ["wide"], ["probabilities"], "softmax", axis=1),
        helper.make_node("ReduceMax", ["probabilities"], ["score"], "maximum", axes=[1], keepdims=0),
    ]
    borders = (
        [("x", TensorProto.FLOAT16, [6])],
        [("logits", TensorProto.FLOAT16, [3]), ("score", TensorProto.FLOAT, [])],
    )
    return graphs.made(nodes, *borders, [("w", np.ones((6, 3), np.float16))], opset=17)


class Config:
    """Remembers flags."""

    def __init__(self):
        self.flags = []

    def set_flag(self, flag):
        self.flags.append(flag)


@pytest.mark.parametrize("which", ["score", "half", "float", "rounded", "rounded half"])
def test_types_follow_from_inputs_constants_and_casts(which, graphs):
    graph = {
        "score": lambda: half_with_a_score(graphs),
        "half": lambda: graphs.convolutions(TensorProto.FLOAT16),
        "float": lambda: graphs.convolutions(),
        "rounded": lambda: graphs.convolutions(rounded=True),
        "rounded half": lambda: graphs.convolutions(TensorProto.FLOAT16, rounded=True),
    }[which]()
    with messages():
        network = parse_graph(trt, graph).network
    layers = list(graph_types(trt, network))
    truth = {trt.DataType.FLOAT, trt.DataType.HALF}
    compared = [(layer.name, kind, layer.get_output(0).dtype) for layer, kind in layers]
    compared = [row for row in compared if row[2] in truth]
    assert len(compared) > 4
    assert [row for row in compared if row[1] != row[2]] == []


@pytest.mark.parametrize(
    ("kind", "rounded", "flags"),
    [
        (TensorProto.FLOAT, False, []),
        (TensorProto.FLOAT, True, ["INT8"]),
        (TensorProto.FLOAT16, False, ["FP16", "PREFER_PRECISION_CONSTRAINTS"]),
        (TensorProto.FLOAT16, True, ["INT8", "FP16", "PREFER_PRECISION_CONSTRAINTS"]),
    ],
)
def test_flags(kind, rounded, flags, graphs):
    config = Config()
    with messages():
        parsed = parse_graph(trt, graphs.convolutions(kind, rounded=rounded))
        allow_types(trt, parsed.network, config, FLAGS)
    assert config.flags == flags


def test_float32_layers_of_a_half_graph_are_pinned(graphs):
    """Layers of the real network behind a class that has 8.6's two members and remembers them."""
    pinned = {}

    class Pinnable:
        precision = None

        def __init__(self, layer):
            self.__dict__["layer"] = layer

        def __getattr__(self, name):
            return getattr(self.layer, name)

        def __setattr__(self, name, value):
            assert name == "precision"
            pinned[self.layer.name] = [value]

        def set_output_type(self, index, dtype):
            pinned[self.layer.name].append((index, dtype))

    with messages():
        parsed = parse_graph(trt, half_with_a_score(graphs))
    real = parsed.network
    network = SimpleNamespace(
        num_layers=real.num_layers, get_layer=lambda index: Pinnable(real.get_layer(index)), num_outputs=0
    )
    allow_types(trt, network, Config(), FLAGS)
    wide = trt.DataType.FLOAT
    assert pinned["softmax"] == pinned["maximum"] == [wide, (0, wide)]
    assert not {"linear", "cast"} & set(pinned)
