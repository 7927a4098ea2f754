"""Graphs for devices that are not here: the opset they read, TensorRT's pattern, checked in ONNX Runtime."""

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, numpy_helper

from eecalib.int8.ranges import TensorRange
from eecompile.build.target_graphs import target_graphs
from eecompile.relative_error import relative_error
from eengines.backends import load_backend
from eengines.errors import BuildError
from eerun.bundle import PolicyFile, open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.executor import Chain, ChainExecutor, ChainSegment, load_chain

WEIGHTED = ("Conv", "Gemm", "MatMul")


@pytest.fixture(scope="session")
def for_p100(plain, finished):
    return finished(plain, fp16=True, target="p100")


@pytest.fixture(scope="session")
def for_t4_half(plain, finished):
    return finished(plain, int8=True, fp16=True, target="t4")


def entry(built):
    (found,) = open_bundle(built.path).manifest.targets
    return found


def files(built):
    found = entry(built)
    return [onnx.load(built.path / file) for file in (*found.segments, found.whole)]


def chain(built, images):
    """Logits `[samples, exits, classes]` of a target's segments in ONNX Runtime, and of the float32 configuration."""
    bundle, found = open_bundle(built.path), entry(built)
    manifest = bundle.manifest
    graphs = Chain(
        inputs=tuple(e.spec for e in manifest.inputs),
        segments=tuple(
            ChainSegment(graph=bundle.read(file), logits=head.logits, score=head.score)
            for file, head in zip(found.segments, manifest.segments, strict=True)
        ),
    )
    float32 = choose_configuration(bundle, engine="onnxruntime", precision="float32")
    target = ChainExecutor(load_chain(graphs, load_backend("onnxruntime"), threads=2), float32.costs())
    reference = ChainExecutor(load_chain(float32.chain(), load_backend(float32.engine), threads=2), float32.costs())
    return target.record({"x": images})[0], reference.record({"x": images})[0]


def test_p100_float16_at_opset_17(for_p100, images):
    assert (entry(for_p100).target, entry(for_p100).precision, entry(for_p100).opset) == ("p100", "float16", 17)
    for proto in files(for_p100):
        onnx.checker.check_model(proto, full_check=True)
        assert [o.version for o in proto.opset_import if o.domain == ""] == [17]
    got, expected = chain(for_p100, images(16, seed=60)[0])
    assert 1e-7 < relative_error(got, expected) < 5e-3


def test_p100_weights_and_boundaries_are_half_inputs_and_exits_are_not(for_p100):
    *segments, _ = files(for_p100)
    for index, proto in enumerate(segments):
        stored = {t.name: t.data_type for t in proto.graph.initializer}
        assert {stored[n.input[1]] for n in proto.graph.node if n.op_type == "Conv"} == {TensorProto.FLOAT16}
        kinds = {v.name: v.type.tensor_type.elem_type for v in (*proto.graph.input, *proto.graph.output)}
        inputs = [kinds[v.name] for v in proto.graph.input]
        assert inputs == [TensorProto.FLOAT16 if index else TensorProto.UINT8]
        exits = [v.name for v in proto.graph.output if v.name.startswith(("score", "early", "middle", "final"))]
        assert len(exits) == 2
        assert {kinds[name] for name in exits} == {TensorProto.FLOAT}


def producers(graph):
    return {name: node for node in graph.node for name in node.output}


def test_t4_int8_is_symmetric_with_zero_points_of_zero(for_t4, images):
    rounded = 0
    for proto in files(for_t4):
        onnx.checker.check_model(proto, full_check=True)
        stored = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        for node in proto.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                rounded += 1
                zero = stored[node.input[2]]
                assert zero.dtype == np.int8
                assert not zero.any()
                assert (stored[node.input[1]] > 0).all()
    assert rounded > 20
    got, expected = chain(for_t4, images(16, seed=60)[0])
    assert 1e-4 < relative_error(got, expected) < 0.15


def test_t4_int8_rounds_weighted_inputs_never_outputs_biases_or_boundaries(for_t4):
    *segments, _ = files(for_t4)
    for proto in segments:
        made, stored = producers(proto.graph), {t.name: t.data_type for t in proto.graph.initializer}
        for node in proto.graph.node:
            if node.op_type in WEIGHTED:
                assert made[node.input[0]].op_type == "DequantizeLinear"
                assert made[node.input[1]].op_type == "DequantizeLinear"
                assert stored[node.input[2]] == TensorProto.FLOAT
            if node.op_type == "Softmax":
                assert made[node.input[0]].op_type != "DequantizeLinear"
        kinds = {v.type.tensor_type.elem_type for v in (*proto.graph.input, *proto.graph.output)}
        assert kinds <= {TensorProto.FLOAT, TensorProto.UINT8}
        edges = {v.name for v in proto.graph.output}
        assert not [name for name in edges if made[name].op_type == "DequantizeLinear"]


def test_t4_int8_with_float16_for_the_rest(for_t4_half, images):
    opsets = set()
    for proto in files(for_t4_half):
        onnx.checker.check_model(proto, full_check=True)
        opsets |= {o.version for o in proto.opset_import if o.domain == ""}
        stored = {t.name: t for t in proto.graph.initializer}
        scales = [stored[n.input[1]].data_type for n in proto.graph.node if n.op_type == "QuantizeLinear"]
        assert TensorProto.FLOAT16 in scales
    assert all(19 <= version <= 25 for version in opsets), "scales in float16 came with opset 19"
    got, expected = chain(for_t4_half, images(16, seed=60)[0])
    assert relative_error(got, expected) < 0.15


def test_a_target_has_thresholds_and_agreement_of_its_own(for_t4):
    bundle = open_bundle(for_t4.path)
    policy = bundle.read_json(entry(for_t4).policy, PolicyFile)
    (float32,) = [e for e in bundle.manifest.configurations if e.name == "onnxruntime-float32"]
    assert len(policy.thresholds) == 2
    assert policy.thresholds != bundle.policy(float32).thresholds
    assert 0.99 <= entry(for_t4).agreement <= 1


def test_the_target_does_not_change_what_runs_here(for_t4):
    engines = {e.name for e in open_bundle(for_t4.path).manifest.configurations}
    assert {"onnxruntime-float32", "onnxruntime-int8"} <= engines


def test_a_cpu_has_no_target_graphs(built, stages):
    assert built.settings.target == "cpu"
    assert target_graphs(built.prepared, built.source, built.float32, built.settings, stages) == ()


@pytest.fixture
def clipping(built):
    """Ranges that clip nearly everything."""
    tiny = {name: TensorRange(low=0.0, high=1e-3) for name in built.source.ranges.tensors}
    return replace(built.source, ranges=replace(built.source.ranges, tensors=tiny))


def test_what_was_not_asked_for_is_left_out_with_the_reason(built, clipping, stages):
    settings = replace(built.settings, target="t4")
    found = target_graphs(built.prepared, clipping, built.float32, settings, stages)
    assert [graphs.precision for graphs in found] == ["float32", "float16"]
    assert any("no int8 graphs for t4" in text and "allowed are 1.00%" in text for text in stages.warnings)


def test_what_was_asked_for_keeps_layers_in_float_until_the_bound_is_kept(built, clipping, stages):
    settings = replace(built.settings, target="t4", int8=True)
    (found,) = target_graphs(built.prepared, clipping, built.float32, settings, stages)
    assert found.agreement >= 0.99
    assert any(text.startswith("INT8 changes") for text in stages.details)


def test_a_graph_that_answers_otherwise_is_refused_with_the_share(built, stages):
    """The last layer's weights were turned round behind the back of the float32 chain."""
    split = built.prepared.split
    segment = split.segments[-1]
    model = segment.model.clone()
    weight = next(node for node in model.graph if node.name == "n_exit_2").inputs[1]
    weight.const_value = ir.tensor(-weight.const_value.numpy(), name=weight.name)
    wrong = replace(split, segments=(*split.segments[:-1], replace(segment, model=model)))
    settings = replace(built.settings, target="p100", fp16=True)
    with pytest.raises(BuildError, match=r"[0-9.]+% of the answers differ from float32, allowed are 1.00%") as caught:
        target_graphs(built.prepared, replace(built.source, split=wrong), built.float32, settings, stages)
    assert caught.value.where == "--target p100 float16"
    assert "--max-quant-drop" in caught.value.remedy
