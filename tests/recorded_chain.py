"""A chain that says what it is given: its input is what every exit says, so that all engines say the same.

Its segments only cut pieces out of the input. So decisions of two executors can be compared bit for bit.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from eengines.tensors import TensorSpec
from eerun.costs import CostTable
from eerun.executor import Chain, ChainSegment

EXITS, CLASSES, BUCKETS = 4, 5, (1, 2, 4, 8, 16)
WIDTH = EXITS * (CLASSES + 1)
SCORES = (0.0, 0.25, 0.5, 0.75, 1.0)
THRESHOLDS = (0.75, 0.5, 1.0)
"""Scores that occur, so that ties count."""


def recorded_chain() -> Chain:
    """`x [batch, exits · (classes + 1)] float32`: logits of all exits, then their scores."""
    return Chain(
        inputs=(TensorSpec(name="x", dtype="float32", shape=(WIDTH,)),),
        segments=tuple(
            ChainSegment(graph=_segment(index), logits=f"logits_{index}", score=f"score_{index}")
            for index in range(EXITS)
        ),
    )


def recorded_samples(count: int, seed: int) -> np.ndarray:
    """Random logits; scores from a few values."""
    random = np.random.default_rng(seed)
    logits = random.standard_normal((count, EXITS * CLASSES))
    return np.concatenate([logits, random.choice(SCORES, (count, EXITS))], axis=1).astype(np.float32)


def recorded_costs() -> CostTable:
    """Costs that make it worth while to compact often, not always."""
    times = tuple(1.0 + 0.05 * bucket for bucket in BUCKETS)
    return CostTable(
        engine="test",
        precision="float32",
        device="test",
        buckets=BUCKETS,
        segment_ms=(times,) * EXITS,
        whole_ms=times,
        move_ms=(0.02,) * (EXITS - 1),
    )


def _segment(index: int) -> bytes:
    first, score = index * CLASSES, EXITS * CLASSES + index
    constants = {
        "from": np.array([first]),
        "to": np.array([first + CLASSES]),
        "at": np.array([score]),
        "behind": np.array([score + 1]),
        "axis": np.array([1]),
    }
    nodes = [
        helper.make_node("Slice", ["x", "from", "to", "axis"], [f"logits_{index}"]),
        helper.make_node("Slice", ["x", "at", "behind", "axis"], ["column"]),
        helper.make_node("Squeeze", ["column", "axis"], [f"score_{index}"]),
    ]
    graph = helper.make_graph(
        nodes,
        f"recorded_{index}",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])],
        [
            helper.make_tensor_value_info(f"logits_{index}", TensorProto.FLOAT, ["batch", CLASSES]),
            helper.make_tensor_value_info(f"score_{index}", TensorProto.FLOAT, ["batch"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
