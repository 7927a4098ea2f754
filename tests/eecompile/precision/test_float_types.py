"""A half graph is valid ONNX, keeps its promises about types, and answers like the float32 graph."""

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from branchy_segments import branchy_samples, branchy_split
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from policy_examples import FOR_ROWS, policy_example
from random_networks import CLASSES, NetworkMaker

from eecompile.precision.float_types import to_half
from eecompile.session import run_model
from eecompile.split import split_model

FLOAT16, BFLOAT16 = ir.DataType.FLOAT16, ir.DataType.BFLOAT16
TOLERANCE = {FLOAT16: 0.01, BFLOAT16: 0.06}
"""Of the largest logit: about ten roundings of 2⁻¹¹ or 2⁻⁸, the depth of these networks."""


def crossing_of(split) -> frozenset[str]:
    """What crosses between segments and is neither carried state nor raw input."""
    return frozenset(name for plan in split.plan.segments for name in plan.crossing) - {"x", "mask", "image"}


def run_chain(models, inputs, run=run_model):
    values = dict(inputs)
    for model in models:
        values.update(run(model, values))
    return values


def run_reference(model, values):
    """In the types that the graph says; ONNX Runtime's CPU computes much of float16 in float32."""
    names = [str(value.name) for value in model.graph.outputs]
    used = {str(value.name): values[value.name] for value in model.graph.inputs}
    return dict(zip(names, ReferenceEvaluator(ir.to_proto(model)).run(names, used), strict=True))


def run_openvino(models, inputs, hint):
    """The same in OpenVINO; bfloat16 goes in and out as its bytes."""
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    core, values = openvino.Core(), dict(inputs)
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1}
    for model in models:
        compiled = core.compile_model(core.read_model(ir.to_proto(model).SerializeToString()), "CPU", options)
        request = compiled.create_infer_request()
        for port in compiled.inputs:
            array = np.ascontiguousarray(values[port.any_name])
            tensor = openvino.Tensor(port.element_type, array.shape)
            tensor.data[...] = array.view(tensor.data.dtype)
            request.set_tensor(port, tensor)
        request.infer()
        for port in compiled.outputs:
            array = np.array(request.get_tensor(port).data)
            values[port.any_name] = array.view(ml_dtypes.bfloat16) if array.dtype == np.float16 else array
    return values


def check(model: ir.Model) -> None:
    onnx.checker.check_model(ir.to_proto(model), full_check=True)


def close(ours, reference, dtype) -> bool:
    return bool(np.abs(ours - reference).max() <= TOLERANCE[dtype] * max(1.0, np.abs(reference).max()))


def convert(split, dtype, keep_float=frozenset()):
    models = [segment.model for segment in split.segments]
    reports = [to_half(m, dtype=dtype, crossing=crossing_of(split), keep_float=keep_float) for m in models]
    for model in models:
        check(model)
    return models, reports


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    exits=st.integers(1, 3),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    policy=st.sampled_from(sorted(FOR_ROWS)),
    dtype=st.sampled_from([FLOAT16, BFLOAT16]),
)
def test_random_networks(seed, exits, with_mask, with_shape, policy, dtype):
    maker = NetworkMaker(seed, exits=exits, width=6, with_mask=with_mask, with_shape=with_shape)
    names = [f"exit_{k}" for k in range(exits)]
    fitted = policy_example(policy, exits=exits, classes=CLASSES)
    split = split_model(ir.from_proto(maker.model()), names, maker.inputs(3, seed=5), fitted)
    inputs = maker.inputs(7, seed=1)
    reference = run_chain([segment.model for segment in split.segments], inputs)

    models, _ = convert(split, dtype)

    for model in models:
        for value in (*model.graph.inputs, *model.graph.outputs):
            if value.dtype in {FLOAT16, BFLOAT16, ir.DataType.FLOAT}:
                assert value.dtype is (dtype if value.name in crossing_of(split) else ir.DataType.FLOAT)
    for run in (run_reference,) if dtype is BFLOAT16 else (run_reference, run_model):
        answers = run_chain(models, inputs, run)
        assert all(close(answers[name], reference[name], dtype) for name in names)


@pytest.mark.parametrize("policy", ["max-probability", "patience"])
@pytest.mark.parametrize(("dtype", "hint"), [(FLOAT16, None), (BFLOAT16, "f32"), (BFLOAT16, "bf16")])
def test_branchy_cnn(policy, dtype, hint):
    split, inputs = branchy_split(policy), {"image": branchy_samples(64, seed=2)}
    reference = run_chain([segment.model for segment in split.segments], inputs)

    models, reports = convert(split, dtype)

    answers = run_chain(models, inputs) if hint is None else run_openvino(models, inputs, hint)
    for index, segment in enumerate(split.segments):
        assert close(answers[segment.logits], reference[segment.logits], dtype)
        assert answers[segment.score].dtype == np.float32
        exact = policy == "patience"
        assert np.abs(answers[segment.score] - reference[segment.score]).max() < (1.5 if exact else 0.05), index
    # input → normalised, and the logits: nothing else changes type
    assert [report.casts for report in reports] == [2, 1, 1]
    reasons = {node.name: node.reason for node in reports[0].float_nodes}
    assert {"image/cast", "image/mul", "image/sub"} <= reasons.keys()
    assert all(r in {"input conversion", "part of an exit's score"} for r in reasons.values())


def test_the_score_reads_the_float32_logits_of_the_one_cast():
    split = branchy_split("max-probability")
    models, _ = convert(split, FLOAT16)
    graph = models[1].graph
    score = [node for node in graph if (node.name or "").startswith("score_1/")]
    assert score[0].inputs[0] is graph.outputs[0]
    assert graph.outputs[0].producer().op_type == "Cast"
    assert {value.dtype for node in score for value in node.outputs} == {ir.DataType.FLOAT}


def test_a_boundary_takes_half_the_bytes():
    split = branchy_split("max-probability")
    inputs = {"image": branchy_samples(4, seed=3)}
    name = split.plan.segments[0].crossing[0]
    before = run_model(split.segments[0].model, inputs)[name].nbytes
    models, _ = convert(split, FLOAT16)
    after = run_model(models[0], inputs)[name]
    assert after.dtype == np.float16
    assert 2 * after.nbytes == before


def test_bfloat16_raises_the_opset_and_float16_does_not():
    split = branchy_split("max-probability")
    models, _ = convert(split, FLOAT16)
    assert models[0].graph.opset_imports[""] == 20
    split = branchy_split("max-probability")
    models, _ = convert(split, BFLOAT16)
    assert models[0].graph.opset_imports[""] == 22


def test_keep_float_leaves_a_node_between_casts():
    split = branchy_split("max-probability")
    conv = next(node.name for node in split.segments[1].model.graph if node.op_type == "Conv")
    models, reports = convert(split, FLOAT16, keep_float=frozenset({conv, "of no segment"}))
    node = next(node for node in models[1].graph if node.name == conv)
    assert {value.dtype for value in (*node.inputs, *node.outputs)} == {ir.DataType.FLOAT}
    assert (conv, "kept by name") in {(n.name, n.reason) for n in reports[1].float_nodes}
