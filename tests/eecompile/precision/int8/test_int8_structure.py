"""Where QuantizeLinear and DequantizeLinear stand, family by family, and where they never do."""

import numpy as np
import onnx_ir as ir
import pytest

from eecompile.precision.int8 import FAMILIES, calibration_values, quantise, quantised_crossings, share_ranges
from eengines.errors import BuildError

SEEDS = (0, 3, 8, 11)
QDQ = ("QuantizeLinear", "DequantizeLinear")


def nodes(model, *operators):
    return [node for node in model.graph if node.op_type in operators]


def made_by(value):
    return getattr(value.producer(), "op_type", None)


def lower(network, family, index, **changes):
    settings = {"ranges": network.ranges, "keep_float": (), "crossing": network.crossing, **changes}
    return quantise(network.segments[index], family=family, **settings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_scores_and_logits_are_never_rounded(image_network, family, seed):
    network = image_network(seed)
    for before, after in zip(network.segments, network.lowered[family], strict=True):
        scores = [node for node in after.graph if node.name.startswith("score_")]
        assert [n.op_type for n in scores] == [n.op_type for n in before.graph if n.name.startswith("score_")]
        assert not any(made_by(v) in QDQ for node in scores for v in node.inputs)
        logits = after.graph.outputs[0]
        assert logits.dtype is ir.DataType.FLOAT
        assert made_by(logits) == "Gemm"
        assert not any(node.op_type in QDQ for node in logits.consumers())


@pytest.mark.parametrize("seed", SEEDS)
def test_tensorrt_is_symmetric_and_leaves_bias_and_results_alone(image_network, seed):
    for segment in image_network(seed).lowered["tensorrt"]:
        for node in nodes(segment, *QDQ):
            scale, zero = (v.const_value.numpy() for v in node.inputs[1:])
            assert zero.dtype == np.int8
            assert not zero.any()
            assert zero.shape == scale.shape
            assert (scale > 0).all()
        for node in nodes(segment, "Conv", "Gemm"):
            assert [made_by(v) for v in node.inputs[:2]] == ["DequantizeLinear"] * 2
            weight = node.inputs[1].producer().inputs[0].producer()
            assert weight.op_type == "QuantizeLinear"
            assert weight.inputs[0].const_value.dtype is ir.DataType.FLOAT
            assert weight.inputs[1].const_value.numpy().shape == (node.inputs[2].const_value.size,)
            assert node.inputs[2].const_value.dtype is ir.DataType.FLOAT
        assert {v.dtype for v in segment.graph.outputs} == {ir.DataType.FLOAT}


@pytest.mark.parametrize("seed", SEEDS)
def test_tensorrt_rounds_one_branch_of_a_residual_add(image_network, seed):
    for before, after in zip(image_network(seed).segments, image_network(seed).lowered["tensorrt"], strict=True):
        assert len(nodes(before, "Add")) == len(nodes(after, "Add"))
        for node in nodes(after, "Add"):
            assert sorted(made_by(v) for v in node.inputs) == ["Conv", "DequantizeLinear"]


@pytest.mark.parametrize(("family", "bias"), [("onnxruntime", ir.DataType.INT32), ("openvino", ir.DataType.FLOAT)])
@pytest.mark.parametrize("seed", SEEDS)
def test_cpu_weights_are_int8_and_values_uint8(image_network, family, bias, seed):
    for segment in image_network(seed).lowered[family]:
        for node in nodes(segment, "Conv", "Gemm"):
            data, weight = (v.producer().inputs for v in node.inputs[:2])
            assert data[2].const_value.dtype is ir.DataType.UINT8
            assert weight[0].const_value.dtype is ir.DataType.INT8
            stored = node.inputs[2] if bias is ir.DataType.FLOAT else node.inputs[2].producer().inputs[0]
            assert stored.const_value.dtype is bias
        for node in nodes(segment, "QuantizeLinear"):
            if made_by(node.inputs[0]) == "Relu":
                assert node.inputs[2].const_value.numpy() == 0
        used = {id(v) for node in segment.graph for v in node.inputs}
        assert all(id(value) in used for value in segment.graph.initializers.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_what_integers_pass_unchanged_has_one_scale(image_network, family):
    joined = [s for seed in range(12) for s in image_network(seed).lowered[family] if nodes(s, "Concat", "MaxPool")]
    assert joined
    for segment in joined:
        for node in nodes(segment, "Concat", "MaxPool"):
            values = [v for v in node.inputs if v.producer() is not None and made_by(v) == "DequantizeLinear"]
            after = [n.inputs[1] for n in node.outputs[0].consumers() if n.op_type == "QuantizeLinear"]
            scales = {float(v.const_value.numpy()) for v in [*(v.producer().inputs[1] for v in values), *after]}
            assert len(scales) <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_node_kept_in_float_has_float_weights_and_the_rest_has_not(image_network, family):
    network = image_network(0)
    kept = nodes(network.segments[0], "Conv")[1].name
    crossing = quantised_crossings(network.segments, keep_float={kept})
    lowered = lower(network, family, 0, keep_float=frozenset({kept}), crossing=crossing)
    for node in nodes(lowered, "Conv", "Gemm"):
        assert (made_by(node.inputs[1]) is None) == (node.name == kept)


def test_the_given_model_is_not_changed(image_network):
    network = image_network(0)
    before = ir.to_proto(network.segments[0]).SerializeToString()
    for family in FAMILIES:
        assert ir.to_proto(lower(network, family, 0)).SerializeToString() != before
    assert ir.to_proto(network.segments[0]).SerializeToString() == before


@pytest.mark.parametrize("family", FAMILIES)
def test_lowering_twice_gives_the_same_bytes(image_network, family):
    network = image_network(0)
    first, second = (ir.to_proto(lower(network, family, 0)).SerializeToString() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("family", FAMILIES)
def test_every_value_that_a_family_rounds_is_listed_for_calibration(image_network, family):
    for seed in SEEDS:
        network = image_network(seed)
        for before, after in zip(network.segments, network.lowered[family], strict=True):
            listed = set(calibration_values(before, keep_float=()))
            scales = {node.inputs[1].name.removesuffix("/scale") for node in nodes(after, *QDQ)}
            rounded = {name for name in scales if not name.endswith(("/weight", "/bias"))}
            # A mean written as a pool rounds its result twice, to the same integers.
            assert {name.removesuffix("/pool") for name in rounded} <= listed


@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_range_is_named(image_network, family):
    network = image_network(0)
    name = nodes(network.segments[0], "Conv")[0].inputs[0].name
    ranges = {key: value for key, value in network.ranges.items() if key != name}
    with pytest.raises(BuildError, match=f"value '{name}': it has no range.*--keep-float"):
        lower(network, family, 0, ranges=ranges)


def test_refusals(image_network):
    network = image_network(0)
    with pytest.raises(BuildError, match=r"family 'tpu': expected one of onnxruntime, openvino, tensorrt"):
        lower(network, "tpu", 0)
    old = network.segments[0].clone()
    old.graph.opset_imports[""] = 12
    with pytest.raises(BuildError, match="got ONNX opset 12, expected 13 or newer"):
        quantise(old, family="tensorrt", ranges=network.ranges, keep_float=(), crossing=())


def test_crossings_follow_what_stays_in_float(image_network):
    network = image_network(3)
    (name,) = network.crossing
    readers = [n.name for n in network.segments[1].graph if any(v is not None and v.name == name for v in n.inputs)]
    assert quantised_crossings(network.segments, keep_float=frozenset(readers)) == frozenset()


def test_shared_ranges_are_stable(image_network):
    network = image_network(3)
    assert share_ranges(network.segments, network.ranges, keep_float=()) == dict(network.ranges)
