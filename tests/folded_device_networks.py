"""Folded networks as chains, for executors on a device and on the host."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import onnx
from device_networks import Network
from onnx import TensorProto, helper, numpy_helper

from eengines.tensors import TensorSpec
from eerun.executor import Chain, ChainSegment
from eerun.folding import GroupExit

PIXELS, WIDTH, CLASSES = 5, 7, 3


@cache
def folded(fold: int, *, exits: int = 3, group_exit: GroupExit = GroupExit.ALL, seed: int = 0) -> Network:
    """Dense layers over all images of a row. A second input and an exit's logits cross, as does a state by image."""
    random = np.random.default_rng((seed, fold, exits))
    shapes: dict[str, tuple[int, ...]] = {"x": (fold, PIXELS), "mask": (fold, 1)}
    for k in range(exits):
        shapes |= {f"trunk_{k}": (WIDTH,), f"logits_{k}": (fold, CLASSES), f"score_{k}": (fold,), f"best_{k}": (fold,)}
    segments = tuple(
        ChainSegment(graph=_segment(k, fold, shapes, random), logits=f"logits_{k}", score=f"score_{k}")
        for k in range(exits)
    )
    inputs = tuple(TensorSpec(name=name, dtype="float32", shape=shapes[name]) for name in ("x", "mask"))
    return Network(
        chain=Chain(inputs=inputs, segments=segments, fold=fold, group_exit=group_exit),
        draw=lambda count, seed: {
            "x": np.random.default_rng(seed).standard_normal((count, PIXELS)).astype(np.float32),
            "mask": np.random.default_rng(seed + 1).uniform(0.5, 2, (count, 1)).astype(np.float32),
        },
    )


def whole_of(network: Network) -> Chain:
    """The first segment as a network without exits."""
    first = network.chain.segments[0]
    return replace(network.chain, segments=(replace(first, score=first.logits),))


def _segment(k: int, fold: int, shapes: dict[str, tuple[int, ...]], random: np.random.Generator) -> bytes:
    """Trunk from the trunk before, logits from the trunk, mask and logits before, the best score so far as state."""
    flat, source = ([("flat", "Reshape", ["x", "flat_shape"])], "flat") if k == 0 else ([], f"trunk_{k - 1}")
    steps: list[tuple[str, str, list[str]]] = [
        *flat,
        ("wide", "MatMul", [source, "weight"]),
        (f"trunk_{k}", "Tanh", ["wide"]),
        ("long", "MatMul", [f"trunk_{k}", "head"]),
        ("own", "Reshape", ["long", "rows_shape"]),
        ("masked", "Mul", ["own", "mask"]),
        (f"logits_{k}", "Add", ["masked", f"logits_{k - 1}"]) if k else (f"logits_{k}", "Identity", ["masked"]),
        ("now", "ReduceMax", [f"logits_{k}", "axes"]),
        (f"best_{k}", "Max", ["now", f"best_{k - 1}"]) if k else (f"best_{k}", "Identity", ["now"]),
        (f"score_{k}", "Sigmoid", [f"best_{k}"]),
    ]
    wide = fold * PIXELS if k == 0 else WIDTH
    weights = {
        "weight": random.standard_normal((wide, WIDTH)).astype(np.float32),
        "head": random.standard_normal((WIDTH, fold * CLASSES)).astype(np.float32),
        "flat_shape": np.array([-1, fold * PIXELS], np.int64),
        "rows_shape": np.array([-1, fold, CLASSES], np.int64),
        "axes": np.array([2], np.int64),
    }
    inputs = ["x", "mask"] if k == 0 else [f"trunk_{k - 1}", f"logits_{k - 1}", f"best_{k - 1}", "mask"]
    return _graph(steps, inputs, [f"{name}_{k}" for name in ("trunk", "logits", "score", "best")], shapes, weights)


def _graph(
    steps: Sequence[tuple[str, str, list[str]]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: dict[str, tuple[int, ...]],
    weights: dict[str, np.ndarray],
) -> bytes:
    nodes = [
        helper.make_node(kind, given, [name], **({"keepdims": 0} if kind == "ReduceMax" else {}))
        for name, kind, given in steps
    ]
    used = {name for node in nodes for name in node.input}
    sides = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shapes[name]]) for name in names]
        for names in (inputs, outputs)
    ]
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items() if name in used]
    graph = helper.make_graph(nodes, "folded", *sides, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()
