"""A folded bundle of two small segments and the same network unfolded beside it, written by hand.

Images of a group look at their neighbour a little. Hard images have a larger deviation, by which the stored easiness
goes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from folded_chains import folded_graph
from onnx import helper

from eerun.bundle import (
    EASINESS_NAME,
    SCHEMA,
    BundleWriter,
    ConfigurationEntry,
    FoldEntry,
    InputEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    SplitEntry,
)
from eerun.costs import CostTable
from eerun.data import digest, load_data, make_splits
from eerun.folding import Easiness, GroupExit, statistic_names

__all__ = ["FOLD", "IMAGE", "FoldedBundle", "write_pair"]

FOLD, IMAGE, CLASSES, FIRST, SECOND = 4, (3, 6, 6), 4, 16, 48
PIXELS = int(np.prod(IMAGE))
SAMPLES, SEED, THRESHOLD, NEIGHBOUR = 420, 0, 0.55, 0.02
SEGMENTS = ("segments/0.onnx", "segments/1.onnx")


@dataclass(frozen=True, kw_only=True)
class FoldedBundle:
    """Where the bundles and their data are, and the data themselves, unsplit."""

    path: Path
    unfolded: Path
    data: Path
    x: np.ndarray
    y: np.ndarray


def write_pair(folder: Path, *, rule: GroupExit = GroupExit.ALL) -> FoldedBundle:
    """Write `net.ee`, `net-unfolded.ee` and `net.npz`."""
    random = np.random.default_rng(SEED)
    y = random.integers(0, CLASSES, SAMPLES)
    spread = random.uniform(0.2, 1.6, (SAMPLES, 1))
    flat = random.standard_normal((CLASSES, PIXELS))[y] + 3 * spread * random.standard_normal((SAMPLES, PIXELS))
    x = flat.reshape(SAMPLES, *IMAGE).astype(np.float32)
    np.savez(folder / "net.npz", x=x, y=y)
    pair = FoldedBundle(path=folder / "net.ee", unfolded=folder / "net-unfolded.ee", data=folder / "net.npz", x=x, y=y)
    weights = _weights(random, x, y)
    _write(pair.path, pair.data, weights, fold=FOLD, rule=rule)
    _write(pair.unfolded, pair.data, weights, fold=1, rule=rule)
    return pair


def _weights(random: np.random.Generator, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    first = random.standard_normal((PIXELS, FIRST)) / np.sqrt(PIXELS)
    second = random.standard_normal((FIRST, SECOND)) / np.sqrt(FIRST)
    hidden = np.maximum(x.reshape(len(x), -1) @ first, 0)
    targets = 4 * np.eye(CLASSES)[y]
    found = {
        "first": first,
        "head": np.linalg.lstsq(hidden, targets)[0],
        "second": second,
        "last": np.linalg.lstsq(np.maximum(hidden @ second, 0), targets)[0],
    }
    return {name: value.astype(np.float32) for name, value in found.items()}


def _graphs(weights: dict[str, np.ndarray], fold: int) -> dict[str, bytes]:
    images = () if fold == 1 else (fold,)
    constants = {
        **weights,
        "flat": np.array([0, *images, PIXELS]),
        "axes": np.array([len(images) + 1]),
        "next": (np.arange(fold) + 1) % fold,
        "neighbour": np.array(NEIGHBOUR, np.float32),
    }
    trunk = [
        helper.make_node("Reshape", ["x", "flat"], ["pixels"]),
        helper.make_node("MatMul", ["pixels", "first"], ["linear"]),
        helper.make_node("Relu", ["linear"], ["own"]),
    ]
    if images:
        trunk += [
            helper.make_node("Gather", ["own", "next"], ["others"], axis=1),
            helper.make_node("Mul", ["others", "neighbour"], ["share"]),
            helper.make_node("Add", ["own", "share"], ["hidden"]),
        ]
    else:
        trunk.append(helper.make_node("Identity", ["own"], ["hidden"]))
    rest = [
        helper.make_node("MatMul", ["hidden", "second"], ["deep_linear"]),
        helper.make_node("Relu", ["deep_linear"], ["deep"]),
        helper.make_node("MatMul", ["deep", "last"], ["logits_1"]),
    ]
    head = helper.make_node("MatMul", ["hidden", "head"], ["logits_0"])
    said = [{f"logits_{k}": (*images, CLASSES), f"score_{k}": images} for k in range(2)]
    raw, hidden = {"x": (*images, *IMAGE)}, {"hidden": (*images, FIRST)}
    return {
        SEGMENTS[0]: folded_graph([*trunk, head, *_score(0)], raw, {**said[0], **hidden}, constants),
        SEGMENTS[1]: folded_graph([*rest, *_score(1)], hidden, said[1], constants),
        "segments/whole.onnx": folded_graph([*trunk, *rest], raw, {"logits_1": (*images, CLASSES)}, constants),
    }


def _score(exit_: int) -> list:
    return [
        helper.make_node("Softmax", [f"logits_{exit_}"], [f"p_{exit_}"], axis=-1),
        helper.make_node("ReduceMax", [f"p_{exit_}", "axes"], [f"score_{exit_}"], keepdims=0),
    ]


def _costs(fold: int) -> CostTable:
    buckets = (1, 2, 4) if fold > 1 else (1, 4, 8, 16)
    count = len(buckets)
    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="a machine of the test",
        buckets=buckets,
        segment_ms=(
            tuple(np.linspace(0.02, 0.03, count).tolist()),
            tuple(np.linspace(0.03, 0.05, count).tolist()),
        ),
        whole_ms=tuple(np.linspace(0.04, 0.07, count).tolist()),
        move_ms=(0.0005,),
    )


def _easiness() -> Easiness:
    names = statistic_names(IMAGE, 0)
    coefficients = tuple(float(name == "deviation") for name in names)
    return Easiness(input="x", channel_axis=0, coefficients=coefficients, intercept=0.0)


def _write(target: Path, data: Path, weights: dict[str, np.ndarray], *, fold: int, rule: GroupExit) -> None:
    macs = {name: fold * int(value.size) for name, value in weights.items()}
    splits = make_splits(load_data(data, input_names=["x"]), seed=SEED)
    way = ConfigurationEntry(
        engine="onnxruntime",
        precision="float32",
        segments=SEGMENTS,
        whole="segments/whole.onnx",
        policy="policy/policy.json",
        costs="costs/costs.json",
        agreement=None,
    )
    policy = PolicyFile(policy="max-probability", thresholds=(THRESHOLD,), group_exit=rule)
    with BundleWriter(target) as writer:
        for name, graph in _graphs(weights, fold).items():
            writer.add(name, graph)
        writer.add_json("policy/policy.json", policy)
        writer.add_json("costs/costs.json", _costs(fold))
        writer.add_json("report/summary.json", {})
        if fold > 1:
            writer.add_json(EASINESS_NAME, _easiness())
        writer.finish(
            Manifest(
                schema=SCHEMA,
                producer={"eecompile": "test"},
                source="net.pt",
                source_sha256="0" * 64,
                task="classification",
                classes=None,
                inputs=(InputEntry(name="x", dtype="float32", shape=IMAGE),),
                exits=("early", "final"),
                segments=tuple(
                    SegmentEntry(
                        file=SEGMENTS[k],
                        logits=f"logits_{k}",
                        score=f"score_{k}",
                        nodes=5,
                        macs=sum(macs[name] for name in names),
                        parameters=1,
                        boundary_bytes=0 if k else 4 * fold * FIRST,
                    )
                    for k, names in enumerate([("first", "head"), ("second", "last")])
                ),
                whole="segments/whole.onnx",
                whole_output="logits_1",
                whole_macs=macs["first"] + macs["second"] + macs["last"],
                configurations=(way,),
                targets=(),
                ranges=None,
                report="report/summary.json",
                splits={name: SplitEntry(samples=len(s), sha256=digest(s)) for name, s in splits.items()},
                split_seed=SEED,
                fold=FoldEntry(factor=fold, widths="exact") if fold > 1 else None,
                easiness=EASINESS_NAME if fold > 1 else None,
            )
        )
