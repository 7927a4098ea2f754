"""A small bundle whose engine really fails: a sample with a large first feature looks behind the end of a table.

Two segments written by hand, a random projection with linear exits fitted to made-up data. The first feature has no
part in the answer, but the second segment takes it as an index; ONNX Runtime then refuses to run (`Gather`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from eerun.bundle import (
    SCHEMA,
    BundleWriter,
    ConfigurationEntry,
    InputEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    SplitEntry,
)
from eerun.costs import CostTable

__all__ = ["FEATURES", "Fragile", "write_fragile"]

FEATURES, FIRST, SECOND, CLASSES, TABLE = 24, 16, 64, 4, 64
SAMPLES, BUCKETS, POISON = 400, (1, 2, 4, 8), 1e6
SEGMENTS, WHOLE = ("segments/0.onnx", "segments/1.onnx"), "segments/whole.onnx"

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fragile:
    """The bundle, and what to send to it.

    Attributes:
        path: the bundle's folder.
        x: `[samples, FEATURES] float32`, answered like any other.
        poison: `[1, FEATURES] float32`, a sample that reaches the second segment, which fails.
    """

    path: Path
    x: NDArray[np.float32]
    poison: NDArray[np.float32]


def write_fragile(path: Path, *, threshold: float = 0.55, seed: int = 0) -> Fragile:
    """Write the bundle; one that is there is replaced, as a build does.

    Args:
        path: its folder.
        threshold: of the first exit; samples leave elsewhere with another.
        seed: of weights and samples.
    """
    random = np.random.default_rng(seed)
    y = random.integers(0, CLASSES, SAMPLES)
    noise = random.uniform(0.2, 1.6, (SAMPLES, 1)) * random.standard_normal((SAMPLES, FEATURES))
    x = (random.standard_normal((CLASSES, FEATURES))[y] + noise).astype(np.float32)
    poison = np.zeros((1, FEATURES), np.float32)
    poison[0, 0] = POISON
    _write(path, _weights(random, x, y), threshold)
    return Fragile(path=path, x=x, poison=poison)


def _weights(random: np.random.Generator, x: NDArray[np.float32], y: NDArray[np.int64]) -> Weights:
    first = random.standard_normal((FEATURES, FIRST)) / np.sqrt(FEATURES)
    first[0] = 0
    second = random.standard_normal((FIRST, SECOND)) / np.sqrt(FIRST)
    hidden, targets = np.maximum(x @ first, 0), 4 * np.eye(CLASSES)[y]
    found = {
        "first": first,
        "head": np.linalg.lstsq(hidden, targets)[0],
        "second": second,
        "last": np.linalg.lstsq(np.maximum(hidden @ second, 0), targets)[0],
        "table": np.zeros((TABLE, CLASSES)),
    }
    return {name: value.astype(np.float32) for name, value in found.items()}


def _graph(nodes: list[onnx.NodeProto], inputs: dict[str, int], outputs: dict[str, int], weights: Weights) -> bytes:
    """A graph; sizes are features a sample, 0 a number alone."""
    sides = [
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size] if size else ["batch"])
            for name, size in side.items()
        ]
        for side in (inputs, outputs)
    ]
    used = {name for node in nodes for name in node.input}
    constants = {**weights, "axis": np.array([1]), "zero": np.array([0]), "one": np.array([1]), "flat": np.array([-1])}
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    graph = helper.make_graph(nodes, "fragile", sides[0], sides[1], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _exit(number: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Softmax", [f"logits_{number}"], [f"p_{number}"], axis=1),
        helper.make_node("ReduceMax", [f"p_{number}", "axis"], [f"score_{number}"], keepdims=0),
    ]


def _graphs(weights: Weights) -> dict[str, bytes]:
    trunk = [
        helper.make_node("MatMul", ["x", "first"], ["linear"]),
        helper.make_node("Relu", ["linear"], ["hidden"]),
        helper.make_node("Slice", ["x", "zero", "one", "axis"], ["key"]),
    ]
    rest = [
        helper.make_node("Reshape", ["key", "flat"], ["keys"]),
        helper.make_node("Cast", ["keys"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["found"]),
        helper.make_node("MatMul", ["hidden", "second"], ["deep_linear"]),
        helper.make_node("Relu", ["deep_linear"], ["deep"]),
        helper.make_node("MatMul", ["deep", "last"], ["plain"]),
        helper.make_node("Add", ["plain", "found"], ["logits_1"]),
    ]
    head = helper.make_node("MatMul", ["hidden", "head"], ["logits_0"])
    crossing = {"hidden": FIRST, "key": 1}
    said = [{f"logits_{number}": CLASSES, f"score_{number}": 0} for number in range(2)]
    return {
        SEGMENTS[0]: _graph([*trunk, head, *_exit(0)], {"x": FEATURES}, {**said[0], **crossing}, weights),
        SEGMENTS[1]: _graph([*rest, *_exit(1)], crossing, said[1], weights),
        WHOLE: _graph([*trunk, *rest], {"x": FEATURES}, {"logits_1": CLASSES}, weights),
    }


def _costs() -> CostTable:
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="not measured",
        buckets=BUCKETS,
        segment_ms=((0.02, 0.021, 0.023, 0.027), (0.03, 0.032, 0.036, 0.044)),
        whole_ms=(0.045, 0.048, 0.054, 0.066),
        move_ms=(0.0005,),
    )


def _segments() -> tuple[SegmentEntry, ...]:
    macs = (FEATURES * FIRST + FIRST * CLASSES, FIRST * SECOND + SECOND * CLASSES)
    return tuple(
        SegmentEntry(
            file=SEGMENTS[number],
            logits=f"logits_{number}",
            score=f"score_{number}",
            nodes=6,
            macs=macs[number],
            parameters=macs[number],
            boundary_bytes=0 if number else 4 * (FIRST + 1),
        )
        for number in range(2)
    )


def _write(path: Path, weights: Weights, threshold: float) -> None:
    way = ConfigurationEntry(
        engine="onnxruntime",
        precision="float32",
        segments=SEGMENTS,
        whole=WHOLE,
        policy="policy/policy.json",
        costs="costs/costs.json",
        agreement=None,
    )
    with BundleWriter(path) as writer:
        for name, graph in _graphs(weights).items():
            writer.add(name, graph)
        writer.add_json("policy/policy.json", PolicyFile(policy="max-probability", thresholds=(threshold,)))
        writer.add_json("costs/costs.json", _costs())
        writer.add_json("report/summary.json", {})
        writer.finish(
            Manifest(
                schema=SCHEMA,
                producer={"benchmarks": "fragile"},
                source="fragile.pt",
                source_sha256="0" * 64,
                task="classification",
                classes=None,
                inputs=(InputEntry(name="x", dtype="float32", shape=(FEATURES,)),),
                exits=("early", "final"),
                segments=_segments(),
                whole=WHOLE,
                whole_output="logits_1",
                whole_macs=FEATURES * FIRST + FIRST * SECOND + SECOND * CLASSES,
                configurations=(way,),
                targets=(),
                ranges=None,
                report="report/summary.json",
                splits={"test": SplitEntry(samples=SAMPLES, sha256="0" * 64)},
                split_seed=0,
            )
        )
