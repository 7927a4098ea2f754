"""A real bundle of two small segments, written by hand: a random projection and linear exits fitted to made-up data.

It has two configurations on the same graphs, `onnxruntime-float32` and `openvino-float32`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from folded_bundles import FoldedBundle, write_pair
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
from eerun.data import digest, load_data, make_splits

FEATURES, FIRST_WIDTH, SECOND_WIDTH, CLASSES = 24, 16, 64, 4
SAMPLES, SEED, THRESHOLD = 400, 0, 0.55
BUCKETS = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class TinyBundle:
    """Where the bundle and its data are, and the data themselves, unsplit."""

    path: Path
    data: Path
    x: np.ndarray
    y: np.ndarray


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> TinyBundle:
    """`tiny.ee` with `tiny.npz` beside it."""
    folder = tmp_path_factory.mktemp("tiny")
    random = np.random.default_rng(SEED)
    x, y = _samples(random)
    np.savez(folder / "tiny.npz", x=x, y=y)
    _write(folder / "tiny.ee", folder / "tiny.npz", _weights(random, x, y))
    return TinyBundle(path=folder / "tiny.ee", data=folder / "tiny.npz", x=x, y=y)


@pytest.fixture(scope="session")
def folded_bundle(tmp_path_factory: pytest.TempPathFactory) -> FoldedBundle:
    """`net.ee`, folded by 4, with `net-unfolded.ee` and `net.npz` beside it."""
    return write_pair(tmp_path_factory.mktemp("folded"))


def _samples(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Four clouds; some samples are far from their centre, and these are hard."""
    y = random.integers(0, CLASSES, SAMPLES)
    spread = random.uniform(0.2, 1.6, (SAMPLES, 1))
    x = random.standard_normal((CLASSES, FEATURES))[y] + spread * random.standard_normal((SAMPLES, FEATURES))
    return x.astype(np.float32), y


def _weights(random: np.random.Generator, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    first = random.standard_normal((FEATURES, FIRST_WIDTH)) / np.sqrt(FEATURES)
    second = random.standard_normal((FIRST_WIDTH, SECOND_WIDTH)) / np.sqrt(FIRST_WIDTH)
    hidden = np.maximum(x @ first, 0)
    targets = 4 * np.eye(CLASSES)[y]
    weights = {
        "first": first,
        "head": np.linalg.lstsq(hidden, targets)[0],
        "second": second,
        "last": np.linalg.lstsq(np.maximum(hidden @ second, 0), targets)[0],
    }
    return {name: value.astype(np.float32) for name, value in weights.items()}


def _exit(logits: str, score: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Softmax", [logits], [f"{logits}_p"], axis=1),
        helper.make_node("ReduceMax", [f"{logits}_p", "axes"], [score], keepdims=0),
    ]


def _layers(weights: tuple[str, ...], names: tuple[str, ...]) -> list[onnx.NodeProto]:
    """MatMul with every weight and ReLU between them, from the first name to the last."""
    nodes = []
    for index, weight in enumerate(weights):
        last = index == len(weights) - 1
        target = names[index + 1] if last else f"{names[index + 1]}_linear"
        nodes.append(helper.make_node("MatMul", [names[index], weight], [target]))
        if not last:
            nodes.append(helper.make_node("Relu", [target], [names[index + 1]]))
    return nodes


def _graph(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    weights: dict[str, np.ndarray],
) -> bytes:
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    used = {name for node in nodes for name in node.input}
    stored = {**weights, "axes": np.array([1], np.int64)}
    initializers = [numpy_helper.from_array(value, name) for name, value in stored.items() if name in used]
    graph = helper.make_graph(nodes, "tiny", values[0], values[1], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _graphs(weights: dict[str, np.ndarray]) -> dict[str, bytes]:
    exit_shapes = [{f"logits_{k}": (CLASSES,), f"score_{k}": ()} for k in range(2)]
    raw, hidden = {"x": (FEATURES,)}, {"hidden": (FIRST_WIDTH,)}
    trunk = [
        helper.make_node("MatMul", ["x", "first"], ["hidden_linear"]),
        helper.make_node("Relu", ["hidden_linear"], ["hidden"]),
    ]
    head = [helper.make_node("MatMul", ["hidden", "head"], ["logits_0"]), *_exit("logits_0", "score_0")]
    rest = _layers(("second", "last"), ("hidden", "deep", "logits_1"))
    return {
        "segments/0.onnx": _graph([*trunk, *head], raw, {**exit_shapes[0], **hidden}, weights),
        "segments/1.onnx": _graph([*rest, *_exit("logits_1", "score_1")], hidden, exit_shapes[1], weights),
        "segments/whole.onnx": _graph([*trunk, *rest], raw, {"logits_1": (CLASSES,)}, weights),
    }


def _write(target: Path, data: Path, weights: dict[str, np.ndarray]) -> None:
    macs = {name: int(value.size) for name, value in weights.items()}
    splits = make_splits(load_data(data, input_names=["x"]), seed=SEED)
    costs = CostTable(
        engine="onnxruntime",
        precision="float32",
        device="a machine of the test",
        buckets=BUCKETS,
        segment_ms=((0.02, 0.021, 0.023, 0.027), (0.03, 0.032, 0.036, 0.044)),
        whole_ms=(0.045, 0.048, 0.054, 0.066),
        move_ms=(0.0005,),
    )
    entries = [("first", "head"), ("second", "last")]
    way = ConfigurationEntry(
        engine="onnxruntime",
        precision="float32",
        segments=("segments/0.onnx", "segments/1.onnx"),
        whole="segments/whole.onnx",
        policy="policy/policy.json",
        costs="costs/costs.json",
        agreement=None,
    )
    with BundleWriter(target) as writer:
        for name, graph in _graphs(weights).items():
            writer.add(name, graph)
        writer.add_json("policy/policy.json", PolicyFile(policy="max-probability", thresholds=(THRESHOLD,)))
        writer.add_json("costs/costs.json", costs)
        writer.add_json("costs/openvino.json", replace(costs, engine="openvino"))
        writer.add_json("report/summary.json", {})
        writer.finish(
            Manifest(
                schema=SCHEMA,
                producer={"eecompile": "test"},
                source="tiny.pt",
                source_sha256="0" * 64,
                task="classification",
                classes=None,
                inputs=(InputEntry(name="x", dtype="float32", shape=(FEATURES,)),),
                exits=("early", "final"),
                segments=tuple(
                    SegmentEntry(
                        file=f"segments/{k}.onnx",
                        logits=f"logits_{k}",
                        score=f"score_{k}",
                        nodes=5,
                        macs=sum(macs[name] for name in names),
                        parameters=sum(macs[name] for name in names),
                        boundary_bytes=0 if k else 4 * FIRST_WIDTH,
                    )
                    for k, names in enumerate(entries)
                ),
                whole="segments/whole.onnx",
                whole_output="logits_1",
                whole_macs=macs["first"] + macs["second"] + macs["last"],
                configurations=(way, replace(way, engine="openvino", costs="costs/openvino.json")),
                targets=(),
                ranges=None,
                report="report/summary.json",
                splits={name: SplitEntry(samples=len(s), sha256=digest(s)) for name, s in splits.items()},
                split_seed=SEED,
            )
        )
