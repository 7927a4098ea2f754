"""Small image networks in two segments, their ranges, and the engines that run them for real."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import openvino as ov
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecalib.int8.ranges import TensorRange
from eecompile.precision.int8 import FAMILIES, calibration_values, quantise, quantised_crossings, share_ranges
from eecompile.session import run_all
from eecompile.split import split_model
from eengines.backends.onnxruntime import session_options
from eerun.policies import policy_by_name

SIDE = 8
CLASSES = 4
SAMPLES = 48
OPENVINO = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1}


class ImageNetworkMaker:
    """Draws a convolutional network with two exits, on raw `x [batch, 3, 8, 8] uint8`."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        pixels = self.add("Mul", [self.add("Cast", ["x"], to=TensorProto.FLOAT), self.weight(np.float32(1 / 64))])
        self.value = self.add("Sub", [pixels, self.weight(np.float32(2.0))])
        self.channels = 3
        self.convolution(4, activation="Relu")
        for index in range(2):
            for kind in self.random.choice(["residual", "projection", "concat", "pool", "depthwise", "swish"], 2):
                self.block(kind)
            self.head(f"exit_{index}")

    def model(self) -> ir.Model:
        shapes = {"x": (TensorProto.UINT8, [3, SIDE, SIDE])}
        inputs = [helper.make_tensor_value_info(n, t, ["batch", *s]) for n, (t, s) in shapes.items()]
        outputs = [helper.make_tensor_value_info(f"exit_{k}", TensorProto.FLOAT, ["batch", CLASSES]) for k in range(2)]
        graph = helper.make_graph(self.nodes, "image", inputs, outputs, self.weights)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(proto)
        return ir.from_proto(proto)

    def add(self, op: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=f"n{len(self.nodes)}", **attributes))
        return name

    def weight(self, array) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(array), f"w{len(self.weights)}"))
        return self.weights[-1].name

    def convolution(self, outputs: int, *, activation: str | None, kernel: int = 3, group: int = 1) -> None:
        shape = (outputs, self.channels // group, kernel, kernel)
        array = (self.random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        if self.random.random() < 0.2:
            array[0] = 0
        bias = (0.1 * self.random.standard_normal(outputs)).astype(np.float32)
        inputs = [self.value, self.weight(array), self.weight(bias)]
        pads = [kernel // 2] * 4
        self.value = self.add("Conv", inputs, kernel_shape=[kernel, kernel], pads=pads, group=group)
        self.channels = outputs
        if activation:
            self.value = self.add(activation, [self.value])

    def block(self, kind: str) -> None:
        before, channels = self.value, self.channels
        if kind == "concat":
            self.convolution(3, activation="Relu")
            self.value, self.channels = self.add("Concat", [before, self.value], axis=1), channels + 3
        elif kind == "pool":
            self.value = self.add("MaxPool", [before], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
            self.convolution(5, activation="Relu", kernel=1)
        elif kind == "depthwise":
            self.convolution(channels, activation="Relu", group=channels)
        elif kind == "swish":
            self.convolution(channels, activation=None)
            self.value = self.add("Mul", [self.value, self.add("Sigmoid", [self.value])])
        else:
            self.convolution(channels, activation="Relu")
            self.convolution(channels, activation=None)
            main, self.value = self.value, before
            if kind == "projection":
                self.convolution(channels, activation=None, kernel=1)
            self.value = self.add("Relu", [self.add("Add", [main, self.value])])

    def head(self, name: str) -> None:
        if self.random.random() < 0.5:
            axes = self.weight(np.array([2, 3], np.int64))
            features = self.add("ReduceMean", [self.value, axes], keepdims=0)
        else:
            features = self.add("Flatten", [self.add("GlobalAveragePool", [self.value])], axis=1)
        weight = self.random.standard_normal((CLASSES, self.channels)).astype(np.float32)
        bias = self.weight(np.zeros(CLASSES, np.float32))
        self.nodes.append(helper.make_node("Gemm", [features, self.weight(weight), bias], [name], name=name, transB=1))


@dataclass(frozen=True, kw_only=True)
class QuantisedNetwork:
    """A network in segments: in float, with ranges, and on eight bits.

    Attributes:
        inputs: raw samples that the ranges were taken from.
        segments: in float.
        ranges: shared over all segments.
        crossing: boundary values that are uint8 on a CPU.
        lowered: segments by family.
        reference: every float value.
    """

    inputs: Mapping[str, np.ndarray]
    segments: tuple[ir.Model, ...]
    ranges: Mapping[str, TensorRange]
    crossing: frozenset[str]
    lowered: Mapping[str, tuple[ir.Model, ...]]
    reference: Mapping[str, np.ndarray]


def quantise_network(model: ir.Model, inputs: Mapping[str, np.ndarray], policy: str) -> QuantisedNetwork:
    """Split, calibrate with min-max, and lower for every family."""
    names = [v.name for v in model.graph.outputs]
    split = split_model(model, names, {n: a[:3] for n, a in inputs.items()}, policy_by_name(policy))
    return lower_segments(tuple(segment.model for segment in split.segments), inputs)


def lower_segments(segments: tuple[ir.Model, ...], inputs: Mapping[str, np.ndarray]) -> QuantisedNetwork:
    """Calibrate with min-max, and lower for every family."""
    values, ranges = dict(inputs), {}
    for segment in segments:
        values.update(run_all(segment, values))
        for name in calibration_values(segment, keep_float=()):
            ranges[name] = TensorRange(
                low=min(0.0, float(values[name].min())), high=max(0.0, float(values[name].max()))
            )
    shared = share_ranges(segments, ranges, keep_float=())
    crossing = quantised_crossings(segments, keep_float=())
    lowered = {
        family: tuple(quantise(s, family=family, ranges=shared, keep_float=(), crossing=crossing) for s in segments)
        for family in FAMILIES
    }
    return QuantisedNetwork(
        inputs=inputs, segments=segments, ranges=shared, crossing=crossing, lowered=lowered, reference=values
    )


def run_onnxruntime(model: ir.Model, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run with all optimisations, as a deployment does."""
    import onnxruntime

    data = ir.to_proto(model).SerializeToString()
    session = onnxruntime.InferenceSession(data, session_options(2), providers=["CPUExecutionProvider"])
    feeds = {v.name: inputs[v.name] for v in session.get_inputs()}
    return dict(zip([v.name for v in session.get_outputs()], session.run(None, feeds), strict=True))


def run_openvino(model: ir.Model, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Run in OpenVINO's CPU plugin; ports go by position, because merged nodes leave a port with several names."""
    compiled = compile_openvino(model)
    results = compiled([inputs[value.name] for value in model.graph.inputs])
    return {v.name: np.array(results[port]) for v, port in zip(model.graph.outputs, compiled.outputs, strict=True)}


def compile_openvino(model: ir.Model) -> ov.CompiledModel:
    core = ov.Core()
    return core.compile_model(core.read_model(ir.to_proto(model).SerializeToString()), "CPU", OPENVINO)


@pytest.fixture(scope="session")
def images():
    """Draw raw samples."""

    def draw(count: int, seed: int) -> dict[str, np.ndarray]:
        return {"x": np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE), np.uint8)}

    return draw


@pytest.fixture(scope="session")
def image_network(images):
    """Draw a network of convolutions and quantise it."""

    def make(seed: int) -> QuantisedNetwork:
        return quantise_network(ImageNetworkMaker(seed).model(), images(SAMPLES, seed), "max-probability")

    return make


@pytest.fixture(scope="session")
def quantised():
    """Quantise a given network: `(model, inputs, policy)`."""
    return quantise_network


@pytest.fixture(scope="session")
def quantised_segments():
    """Quantise given segments: `(segments, inputs)`."""
    return lower_segments


@pytest.fixture(scope="session")
def run_in():
    """Functions that run one segment, by engine."""
    return {"onnxruntime": run_onnxruntime, "openvino": run_openvino}


@pytest.fixture(scope="session")
def openvino_compiled():
    """Compile one segment."""
    return compile_openvino
