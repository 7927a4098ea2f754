"""Every policy's ONNX nodes in OpenVINO, against the numpy reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from policy_examples import FOR_MAPS, FOR_ROWS, policy_example

from eengines.tensors import Array
from eerun.policies import AccuracyBinsPolicy

EXITS, CLASSES, ROWS = 3, 7, 33
TOLERANCE = 5e-5
"""Absolute, of scores and log-probabilities down to -16: OpenVINO's own exponential and logarithm are coarser than
ONNX Runtime's."""

Builder = Callable[..., Any]


def run(model: ir.Model, values: dict[str, Array]) -> dict[str, Array]:
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1}
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(ir.to_proto(model).SerializeToString()), "CPU", options)
    assert [port.any_name for port in compiled.inputs] == [value.name for value in model.graph.inputs]
    made = compiled({value.name: values[value.name] for value in model.graph.inputs})
    return {port.any_name: made[port] for port in compiled.outputs}


@pytest.mark.parametrize("policy", FOR_ROWS)
def test_rows(exit_builder: Builder, policy: str) -> None:
    random, example = np.random.default_rng(7), policy_example(policy, classes=CLASSES)
    carried, state = {}, None
    for index in range(EXITS):
        logits = random.normal(0, 3, (ROWS, CLASSES)).astype(np.float32)
        last = index == EXITS - 1
        built = exit_builder(policy, classes=CLASSES, index=index, last=last, opset=20)
        made = run(built.model, {"raw": logits, **carried})
        score, state = example.score(logits, state, exit_index=index)
        np.testing.assert_allclose(made[built.score.score], score, atol=TOLERANCE, rtol=0)
        answer = logits if last else example.answer(logits, state)
        np.testing.assert_allclose(made["logits"], answer, atol=TOLERANCE, rtol=0)
        carried = {name: made[name] for name in built.score.state_out}
        for name, expected in zip(built.score.state_out, state, strict=False):
            np.testing.assert_allclose(carried[name], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("policy", FOR_MAPS)
def test_maps(exit_builder: Builder, policy: str) -> None:
    logits = np.random.default_rng(8).normal(0, 3, (3, CLASSES, 9, 8)).astype(np.float32)
    for index in (0, EXITS - 1):
        built = exit_builder(policy, classes=CLASSES, index=index, last=index > 0, opset=20, pixels=(9, 8))
        made = run(built.model, {"raw": logits})
        score, _ = policy_example(policy, classes=CLASSES).score(logits, None, exit_index=index)
        np.testing.assert_allclose(made[built.score.score], score, atol=TOLERANCE, rtol=0)


def test_one_bin(exit_builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    one = AccuracyBinsPolicy(edges=((),), accuracy=((0.625,),))
    monkeypatch.setitem(exit_builder.__globals__, "policy_example", lambda *_, **__: one)
    model = exit_builder("accuracy-bins", classes=CLASSES, index=0, last=False, opset=20).model
    logits = np.random.default_rng(8).normal(0, 3, (ROWS, CLASSES)).astype(np.float32)
    np.testing.assert_array_equal(run(model, {"raw": logits})["score_0"], np.full(ROWS, 0.625, np.float32))
