"""Chains whose graphs work element by element, so that a row's values are the same bits wherever it lies."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eengines.tensors import TensorSpec
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment, Skipping

__all__ = ["BUCKETS", "CLASSES", "elementwise_chain", "elementwise_costs"]

CLASSES = 3
BUCKETS = (1, 2, 4, 7)

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def _graph(nodes, inputs, outputs, constants) -> bytes:
    """Inputs and outputs: name -> (element type, shape of a row)."""
    values = [
        [helper.make_tensor_value_info(name, kind, ["batch", *shape]) for name, (kind, shape) in side.items()]
        for side in (inputs, outputs)
    ]
    used = {name for node in nodes for name in node.input}
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used]
    graph = helper.make_graph(nodes, "elementwise", values[0], values[1], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _trunk(index: int, given: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Mul", [given, "factors"], [f"m{index}"]),
        helper.make_node("Floor", [f"m{index}"], [f"whole{index}"]),
        helper.make_node("Sub", [f"m{index}", f"whole{index}"], [f"v{index}"]),
    ]


def _head(index: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Gather", [f"v{index}", "columns"], [f"first{index}"], axis=1),
        helper.make_node("Mul", [f"first{index}", "signs"], [f"logits{index}"]),
        helper.make_node("ReduceMax", [f"v{index}", "axes"], [f"score{index}"], keepdims=0),
    ]


def _due(index: int) -> list[onnx.NodeProto]:
    """The next exit, or the one behind it where the score is large."""
    return [
        helper.make_node("Greater", [f"score{index}", "half"], [f"far{index}"]),
        helper.make_node("Where", [f"far{index}", "later", "next"], [f"step{index}"]),
        helper.make_node("Add", [f"step{index}", "exit"], [f"state_{index}_due"]),
    ]


def elementwise_chain(
    exits: int, *, seed: int, split: bool = False, skipping: bool = False, width: int = CLASSES
) -> Chain:
    """A chain of `exits` segments on `x [width]`.

    Args:
        exits: how many.
        seed: of the factors.
        split: heads are graphs of their own.
        skipping: they also say at which exit a sample is tested next.
        width: of a row, at least `CLASSES`.
    """
    random, segments = np.random.default_rng(seed), []
    for index in range(exits):
        last, given = index == exits - 1, "x" if index == 0 else f"v{index - 1}"
        constants = {
            "factors": random.uniform(0.5, 4, width).astype(np.float32),
            "signs": random.choice([-1.0, 1.0], CLASSES).astype(np.float32),
            "columns": np.arange(CLASSES),
            "axes": np.array([1]),
            "half": np.array(0.5, np.float32),
            "later": np.array([2]),
            "next": np.array([1]),
            "exit": np.array([index]),
        }
        row, crosses = {given: (FLOAT, [width])}, {f"v{index}": (FLOAT, [width])}
        said = {f"logits{index}": (FLOAT, [CLASSES]), f"score{index}": (FLOAT, [])}
        head = None
        if split and not last:
            due = {f"state_{index}_due": (INT64, [])} if skipping else {}
            carried = {f"state_{index - 1}_due": (INT64, [])} if skipping and index else {}
            nodes = [*_head(index), *(_due(index) if skipping else [])]
            if carried:  # as a head of such a policy: the state of a sample that is not due goes on as it is
                before, fresh, waits = f"state_{index - 1}_due", f"fresh{index}", f"waits{index}"
                nodes[-1:] = [
                    helper.make_node("Add", [f"step{index}", "exit"], [fresh]),
                    helper.make_node("Greater", [before, "exit"], [waits]),
                    helper.make_node("Where", [waits, before, fresh], [f"state_{index}_due"]),
                ]
            head = _graph(nodes, {**crosses, **carried}, {**said, **due}, constants)
            graph = _graph(_trunk(index, given), row, crosses, constants)
        else:
            graph = _graph(
                [*_trunk(index, given), *_head(index)], row, said if last else {**said, **crosses}, constants
            )
        segments.append(ChainSegment(graph=graph, logits=f"logits{index}", score=f"score{index}", head=head))
    return Chain(
        inputs=(TensorSpec(name="x", dtype="float32", shape=(width,)),),
        segments=tuple(segments),
        skipping=Skipping(due="due", first_exit=0, state=("due",)) if skipping else None,
    )


def elementwise_costs(exits: int, *, seed: int, split: bool = False) -> CostTable:
    """Arbitrary costs, so that any cover and any compaction may happen."""
    random = np.random.default_rng(seed)

    def times(count: int) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(random.uniform(0.1, 1, len(BUCKETS)).tolist()) for _ in range(count))

    return CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=BUCKETS,
        segment_ms=times(exits),
        whole_ms=(1.0,) * len(BUCKETS),
        move_ms=tuple(random.uniform(0, 0.2, exits - 1).tolist()),
        head_ms=times(exits - 1) if split else (),
    )
