"""Networks as chains, with samples and costs, for executors on a device and on the host."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
import onnx_ir as ir
from branchy_segments import IMAGE, branchy_samples, branchy_split
from fitted_networks import EXITS, MEAN, SCALE, FittedNetwork, draw_images
from onnx import TensorProto, helper, numpy_helper
from policy_examples import policy_example
from random_networks import CLASSES, NetworkMaker

from eecompile.split import Split, split_model
from eengines.backends import load_backend
from eengines.device import Device
from eengines.devices.host_engine import HostEngine
from eengines.engine import Engine, Session
from eengines.tensors import TensorSpec
from eerun.costs import CostTable
from eerun.device_executor import DeviceChain
from eerun.executor import Answers, Chain, ChainSegment

Samples = Mapping[str, np.ndarray]

ALIGNMENT = 64


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network in segments.

    Attributes:
        chain: the segments.
        draw: makes `count` samples from a seed.
    """

    chain: Chain
    draw: Callable[[int, int], Samples]

    @property
    def exits(self) -> int:
        """Number of exits."""
        return len(self.chain.segments)

    @property
    def classes(self) -> int:
        """Number of classes."""
        outputs = {spec.name: spec for spec in self.engines()[-1].outputs}
        return outputs[self.chain.segments[-1].logits].shape[0]

    def engines(self) -> list[Engine]:
        """The segments in ONNX Runtime, one row at a time."""
        return [RowByRow(engine) for engine in _load(self.chain)]

    def batched_engines(self) -> list[Engine]:
        """The segments in ONNX Runtime, all rows of a bucket at once."""
        return _load(self.chain)

    def on(self, device: Device) -> DeviceChain:
        """The segments on a CPU device, one row at a time."""
        return DeviceChain(self.chain, [HostEngine(engine) for engine in self.engines()], device)


@dataclass(frozen=True)
class Runs:
    """A session of one row, which takes all rows of a bucket in turn.

    Attributes:
        session: of `row`.
        bucket: inputs and outputs of all rows.
        row: inputs and outputs of one.
    """

    session: Session
    bucket: tuple[Samples, Samples]
    row: tuple[Samples, Samples]

    def run(self) -> None:
        """Run all."""
        (inputs, outputs), (ins, outs) = self.bucket, self.row
        for place in range(len(next(iter(outputs.values())))):
            for name, array in ins.items():
                array[:] = inputs[name][place : place + 1]
            self.session.run()
            for name, array in outs.items():
                outputs[name][place : place + 1] = array


class RowByRow:
    """An engine that runs each row of a bucket by itself.

    A library may add up a row's products in another order in another bucket, and so does Eigen in ONNX Runtime's
    ReduceMean where a row does not begin at a multiple of 16 bytes. Here each row runs in arrays of its own that begin
    at one, so that its numbers depend on the row alone, and executors which choose other buckets and places can be
    compared bit for bit.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def open(self, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> Runs:
        """See `Engine.open`."""
        ins, outs = ({name: _aligned_row(array) for name, array in arrays.items()} for arrays in (inputs, outputs))
        return Runs(self._engine.open(ins, outs), (inputs, outputs), (ins, outs))


def _aligned_row(array: np.ndarray) -> np.ndarray:
    """An empty array for one row, at a multiple of `ALIGNMENT` bytes."""
    size = array[:1].nbytes
    space = np.empty(size + ALIGNMENT, np.uint8)
    start = -space.ctypes.data % ALIGNMENT
    return space[start : start + size].view(array.dtype).reshape(1, *array.shape[1:])


@cache
def _load(chain: Chain) -> list[Engine]:
    backend = load_backend("onnxruntime")
    return [backend.load(segment.graph, threads=2) for segment in chain.segments]


def _network(split: Split, inputs: tuple[TensorSpec, ...], draw: Callable[[int, int], Samples]) -> Network:
    segments = tuple(
        ChainSegment(graph=ir.to_proto(s.model).SerializeToString(), logits=s.logits, score=s.score)
        for s in split.segments
    )
    return Network(chain=Chain(inputs=inputs, segments=segments), draw=draw)


@cache
def branchy(policy: str = "max-probability") -> Network:
    """Convolutions with batch norm, uint8 images; three exits."""
    spec = TensorSpec(name="image", dtype="uint8", shape=IMAGE)
    return _network(branchy_split(policy), (spec,), lambda count, seed: {"image": branchy_samples(count, seed)})


@cache
def fitted(policy: str = "max-probability") -> Network:
    """Convolutions whose exits are right more often the deeper they are; three exits."""
    network = FittedNetwork()
    network.fit()

    def draw(count: int, seed: int) -> Samples:
        return {"x": draw_images(count, seed)[0].astype(np.float32) * np.float32(SCALE) - np.float32(MEAN)}

    example = policy_example(policy, exits=len(EXITS), classes=CLASSES)
    split = split_model(ir.from_proto(network.model()), EXITS, draw(3, 5), example)
    return _network(split, (TensorSpec(name="x", dtype="float32", shape=(2, 8, 8)),), draw)


@cache
def random(seed: int, *, exits: int = 3, policy: str = "max-probability") -> Network:
    """Dense layers and branches; a second input that several segments read."""
    maker = NetworkMaker(seed, exits=exits, width=6, with_mask=True, with_shape=False)
    names = [f"exit {k}" for k in range(exits)]
    example = policy_example(policy, exits=exits, classes=CLASSES)
    split = split_model(ir.from_proto(maker.model()), names, maker.inputs(3, seed=5), example)
    specs = (
        TensorSpec(name="x", dtype="float32", shape=(maker.width,)),
        TensorSpec(name="mask", dtype="float32", shape=(1,)),
    )
    return _network(split, specs, maker.inputs)


@cache
def wide() -> Network:
    """Two segments; 40,000 bytes a sample cross, and so do the logits of the first exit."""
    shapes = {"x": 2, "trunk": 10_000, "logits_0": 3, "logits_1": 3}

    def graph(nodes: list[onnx.NodeProto], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        sides = [
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", shapes[n]] if n in shapes else ["batch"])
                for n in names
            ]
            for names in (inputs, outputs)
        ]
        used = {name for node in nodes for name in node.input}
        stored = [numpy_helper.from_array(array, name) for name, array in weights.items() if name in used]
        made = helper.make_graph(nodes, "wide", *sides, stored)
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        return model.SerializeToString()

    draw = np.random.default_rng(1).standard_normal
    weights = {
        "spread": draw((2, 10_000)).astype(np.float32),
        "first": draw((2, 3)).astype(np.float32),
        "last": draw((10_000, 3)).astype(np.float32),
        "axes": np.array([1], np.int64),
    }
    first = [
        helper.make_node("MatMul", ["x", "spread"], ["trunk"]),
        helper.make_node("MatMul", ["x", "first"], ["logits_0"]),
        helper.make_node("ReduceMax", ["logits_0", "axes"], ["score_0"], keepdims=0),
    ]
    last = [
        helper.make_node("MatMul", ["trunk", "last"], ["deep"]),
        helper.make_node("Add", ["deep", "logits_0"], ["logits_1"]),
        helper.make_node("ReduceMax", ["logits_1", "axes"], ["score_1"], keepdims=0),
    ]
    graphs = (
        graph(first, ["x"], ["trunk", "logits_0", "score_0"]),
        graph(last, ["trunk", "logits_0"], ["logits_1", "score_1"]),
    )
    segments = tuple(
        ChainSegment(graph=each, logits=f"logits_{k}", score=f"score_{k}") for k, each in enumerate(graphs)
    )
    return Network(
        chain=Chain(inputs=(TensorSpec(name="x", dtype="float32", shape=(2,)),), segments=segments),
        draw=lambda count, seed: {"x": np.random.default_rng(seed).standard_normal((count, 2)).astype(np.float32)},
    )


def cost_table(exits: int, buckets: tuple[int, ...], *, seed: int = 0, move_ms: float = 0.01) -> CostTable:
    """Costs that grow with the bucket, each segment's with another slope."""
    slopes = np.random.default_rng(seed).uniform(0.05, 1, exits)
    rows = tuple(tuple(float(0.2 + slope * bucket) for bucket in buckets) for slope in slopes)
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=buckets,
        segment_ms=rows,
        whole_ms=tuple(float(sum(column)) for column in zip(*rows, strict=True)),
        move_ms=(move_ms,) * (exits - 1),
    )


def empty_answers(count: int, classes: int) -> Answers:
    """Arrays that show what was not written."""
    return Answers(
        outputs=np.full((count, classes), np.nan, np.float32),
        exit_index=np.full(count, -1, np.int32),
        confidence=np.full(count, np.nan, np.float32),
    )
