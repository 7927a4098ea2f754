"""Rows that were carried because it was cheaper are dropped at the next boundary, also where nobody leaves."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from eengines.backends import load_backend
from eengines.errors import BundleError
from eengines.tensors import TensorSpec
from eerun.costs import CostTable
from eerun.executor import Answers, Chain, ChainExecutor, ChainSegment, load_chain


def segment(index: int, *, last: bool) -> ChainSegment:
    """`v → v + 0`, `logits = v`, `score = first column`."""
    given = "x" if index == 0 else f"v{index - 1}"
    nodes = [
        helper.make_node("Abs", [given], [f"logits{index}"]),
        helper.make_node("ReduceMax", [given, "axes"], [f"score{index}"], keepdims=0),
    ]
    names = [(f"logits{index}", ["batch", 2]), (f"score{index}", ["batch"])]
    if not last:
        nodes.append(helper.make_node("Identity", [given], [f"v{index}"]))
        names.append((f"v{index}", ["batch", 2]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(given, TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in names],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return ChainSegment(graph=model.SerializeToString(), logits=f"logits{index}", score=f"score{index}")


def chain(**changes) -> Chain:
    segments = tuple(segment(index, last=index == 2) for index in range(3))
    inputs = (TensorSpec(name="x", dtype="float32", shape=(2,)),)
    return Chain(**{"inputs": inputs, "segments": segments, **changes})


def test_rows_after_a_closed_exit():
    costs = CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=(1, 2, 4, 8),
        segment_ms=((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), (1.0, 2.0, 4.0, 8.0)),
        whole_ms=(3.0,) * 4,
        move_ms=(0.0, 0.0),
    )
    executor = ChainExecutor(load_chain(chain(), load_backend("onnxruntime"), threads=2), costs)
    x = np.array([[0.9, 0]] * 3 + [[0.1, 0.2]] + [[0.9, 0]] * 3 + [[0.3, 0.1]], np.float32)
    answers = Answers(
        outputs=np.zeros((8, 2), np.float32), exit_index=np.zeros(8, np.int32), confidence=np.zeros(8, np.float32)
    )

    steps = executor.infer({"x": x}, (0.5, None), answers)

    assert [step.entered for step in steps] == [8, 2, 2]
    assert steps[2].rows == 2
    assert answers.exit_index.tolist() == [0, 0, 0, 2, 0, 0, 0, 2]
    assert np.array_equal(answers.outputs, x)


def small_executor() -> ChainExecutor:
    costs = CostTable(
        engine="onnxruntime",
        precision="float32",
        device="test",
        buckets=(1, 4),
        segment_ms=((1.0, 1.0),) * 3,
        whole_ms=(3.0, 3.0),
        move_ms=(0.0, 0.0),
    )
    return ChainExecutor(load_chain(chain(), load_backend("onnxruntime"), threads=2), costs)


def unanswered(rows: int) -> Answers:
    return Answers(
        outputs=np.zeros((rows, 2), np.float32),
        exit_index=np.full(rows, -1, np.int32),
        confidence=np.zeros(rows, np.float32),
    )


@pytest.mark.parametrize("rows", [1, 3])
def test_a_score_that_is_no_number_leaves_at_the_last_exit_alone(rows):
    executor, answers = small_executor(), unanswered(rows)
    executor.infer({"x": np.full((rows, 2), np.nan, np.float32)}, (-np.inf, 0.0), answers)
    assert answers.exit_index.tolist() == [2] * rows
    assert np.isnan(answers.outputs).all()
    assert np.isnan(answers.confidence).all()


@pytest.mark.parametrize("rows", [1, 3])
def test_scores_are_compared_in_float32(rows):
    executor, answers = small_executor(), unanswered(rows)
    score = np.float32(0.1)
    just_above = float(score) + 1e-12
    executor.infer({"x": np.full((rows, 2), score)}, (just_above, None), answers)
    assert answers.exit_index.tolist() == [0] * rows


def test_heads_that_the_segments_do_not_have_are_refused():
    good = chain().segments
    for change in ({"logits": "nope"}, {"logits": "score0"}, {"score": "v0"}, {"score": "nope"}):
        fields = {"graph": good[0].graph, "logits": good[0].logits, "score": good[0].score, **change}
        broken = chain(segments=(ChainSegment(**fields), *good[1:]))
        with pytest.raises(BundleError, match="Build the bundle again"):
            load_chain(broken, load_backend("onnxruntime"), threads=2)
