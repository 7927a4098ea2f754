"""EENet and both forecasts of Predictive Exit as ONNX nodes, in ONNX Runtime and in OpenVINO."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
from policy_examples import policy_example

from eecompile.lower import add_exit_score
from eengines.backends.onnxruntime import session_options
from eengines.tensors import Array
from eerun.policies import ExitPolicy, PredictiveExitPolicy, State

EXITS, CLASSES = 5, 6
RULES: dict[str, ExitPolicy] = {
    "eenet": policy_example("eenet", exits=EXITS, classes=CLASSES),
    "calibrated": policy_example("predictive-exit", exits=EXITS, classes=CLASSES),
    "published": PredictiveExitPolicy(forecast="published", start=0, scales=(4.31, 9.73, 21.1, 40.3), reach=3),
}


def lowered(rule: ExitPolicy, index: int) -> tuple[bytes, list[str], tuple[str, ...]]:
    """An exit that is nothing but its score; names of its outputs and of its state inputs."""
    raw = ir.val("raw", dtype=ir.DataType.FLOAT, shape=("batch", CLASSES))
    node = ir.node("Neg", [raw], outputs=[ir.val("logits", dtype=ir.DataType.FLOAT, shape=("batch", CLASSES))])
    graph = ir.Graph([raw], [node.outputs[0]], nodes=[node], opset_imports={"": 20}, name="segment")
    names = add_exit_score(graph, logits=node.outputs[0], policy=rule, exit_index=index, last=index == EXITS - 1)
    model = ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString()
    return model, [names.score, *names.state_out], names.state_in


def run(engine: str, graph: bytes, names: list[str], given: dict[str, Array]) -> list[Array]:
    if engine == "onnxruntime":
        return list(ort.InferenceSession(graph, session_options(threads=2)).run(names, given))
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    core = openvino.Core()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
    compiled = core.compile_model(core.read_model(graph), "CPU", options)
    assert {port.any_name for port in compiled.inputs} == set(given)
    found = compiled(given)
    return [found[name] for name in names]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_chain_says_what_the_reference_says(engine: str, rule: str) -> None:
    state: State | None = None
    for index in range(EXITS):
        logits = np.random.default_rng(index).normal(0, 2, (64, CLASSES)).astype(np.float32)
        graph, names, inputs = lowered(RULES[rule], index)
        carried = dict(zip(inputs, state or (), strict=True))
        score, state = RULES[rule].score(-logits, state, exit_index=index)
        got_score, *got_state = run(engine, graph, names, {"raw": logits, **carried})
        np.testing.assert_allclose(got_score, score, atol=2e-6, rtol=2e-6)
        for got, want in zip(got_state, state, strict=False):
            np.testing.assert_allclose(got, want, atol=2e-6 if want.dtype == np.float32 else 0, rtol=0)
        assert index in {0, EXITS - 1} or len(np.unique(score)) > 1
