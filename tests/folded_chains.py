"""Folded chains whose images look at their neighbours in the group and at nobody else; the same bits in every row."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eengines.tensors import TensorSpec
from eerun.executor import Chain, ChainSegment
from eerun.folding import GroupExit

__all__ = ["CLASSES", "folded_chain", "folded_graph", "whole_chain"]

CLASSES = 3


def folded_graph(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
    constants: dict[str, np.ndarray],
) -> bytes:
    """A float32 graph; inputs and outputs are name -> shape of a row."""
    values = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    used = {name for node in nodes for name in node.input}
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    graph = helper.make_graph(nodes, "folded", values[0], values[1], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _trunk(index: int, given: str) -> list[onnx.NodeProto]:
    """`v = fraction of (given · factors + a share of the next image's)`."""
    return [
        helper.make_node("Gather", [given, "next"], [f"n{index}"], axis=1),
        helper.make_node("Mul", [f"n{index}", "neighbour"], [f"s{index}"]),
        helper.make_node("Mul", [given, "factors"], [f"m{index}"]),
        helper.make_node("Add", [f"m{index}", f"s{index}"], [f"a{index}"]),
        helper.make_node("Floor", [f"a{index}"], [f"f{index}"]),
        helper.make_node("Sub", [f"a{index}", f"f{index}"], [f"v{index}"]),
    ]


def _head(index: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Mul", [f"v{index}", "signs"], [f"logits{index}"]),
        helper.make_node("ReduceMax", [f"v{index}", "axes"], [f"score{index}"], keepdims=0),
    ]


def _constants(fold: int, factors: np.ndarray, signs: np.ndarray, neighbour: float) -> dict[str, np.ndarray]:
    return {
        "factors": factors,
        "signs": signs,
        "neighbour": np.array(neighbour, np.float32),
        "next": (np.arange(fold) + 1) % fold,
        "axes": np.array([2]),
    }


def folded_chain(exits: int, fold: int, *, seed: int, rule: GroupExit = GroupExit.ALL, neighbour: float = 0.5) -> Chain:
    """A chain of `exits` segments on `x [fold, CLASSES]`; `neighbour` is how much an image takes from the next one."""
    random, segments = np.random.default_rng(seed), []
    for index in range(exits):
        given = "x" if index == 0 else f"v{index - 1}"
        factors = random.uniform(0.5, 4, CLASSES).astype(np.float32)
        signs = random.choice([-1.0, 1.0], CLASSES).astype(np.float32)
        row = (fold, CLASSES)
        outputs = {f"logits{index}": row, f"score{index}": (fold,)}
        if index < exits - 1:
            outputs[f"v{index}"] = row
        graph = folded_graph(
            [*_trunk(index, given), *_head(index)], {given: row}, outputs, _constants(fold, factors, signs, neighbour)
        )
        segments.append(ChainSegment(graph=graph, logits=f"logits{index}", score=f"score{index}"))
    return Chain(
        inputs=(TensorSpec(name="x", dtype="float32", shape=(fold, CLASSES)),),
        segments=tuple(segments),
        fold=fold,
        group_exit=rule,
    )


def whole_chain(fold: int, *, seed: int) -> Chain:
    """A chain of one segment, and its logits in place of the score."""
    chain = folded_chain(1, fold, seed=seed)
    segment = chain.segments[0]
    only = ChainSegment(graph=segment.graph, logits=segment.logits, score=segment.logits)
    return Chain(inputs=chain.inputs, segments=(only,), fold=fold)
