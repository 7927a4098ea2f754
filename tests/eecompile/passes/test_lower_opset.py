"""A lowered graph is valid at the older opset and answers as before; what cannot be lowered is named."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from branchy_segments import branchy_samples, branchy_split
from hypothesis import given, settings
from hypothesis import strategies as st
from one_node_graphs import IMAGE, one_node
from onnx import TensorProto
from policy_examples import FOR_ROWS, policy_example
from random_networks import CLASSES, NetworkMaker

from eecompile.passes.lower_opset import lower_opset
from eecompile.session import run_model
from eecompile.split import split_model

TENSORRT_8_6 = 17


def sample(shape=IMAGE, dtype=np.float32, seed=0):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)


def lower(model, opset=TENSORRT_8_6):
    assert lower_opset(model, opset=opset)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", opset)]
    return model


def check_same(model, x, opset=TENSORRT_8_6, tolerance=1e-5):
    before = run_model(model, {"x": x})
    after = run_model(lower(model, opset), {"x": x})
    assert before.keys() == after.keys()
    for name, expected in before.items():
        assert after[name].dtype == expected.dtype
        assert np.allclose(after[name], expected, rtol=tolerance, atol=tolerance), name


REDUCTIONS = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare", "Sum"]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(REDUCTIONS),
    axes=st.one_of(st.none(), st.lists(st.integers(0, 3), unique=True, max_size=4)),
    negative=st.booleans(),
    keepdims=st.integers(0, 1),
)
def test_reductions(kind, axes, negative, keepdims):
    weights = [] if axes is None else [np.array([a - 4 * negative for a in axes], np.int64)]
    model = one_node(f"Reduce{kind}", *weights, keepdims=keepdims, noop_with_empty_axes=0)
    check_same(model, np.abs(sample()) + 0.1, tolerance=1e-3)


@pytest.mark.parametrize("kind", ["Max", "Mean", "Min", "Prod"])
def test_a_reduction_over_no_axes_is_the_identity(kind):
    model = one_node(f"Reduce{kind}", noop_with_empty_axes=1)
    check_same(model, sample())
    assert [node.op_type for node in model.graph] == ["Identity"]


def test_axes_become_an_attribute_and_the_name_stays():
    model = lower(one_node("ReduceMean", np.array([2, 3])))
    node = model.graph.node("node")
    assert list(node.attributes.get_ints("axes")) == [2, 3]
    assert len(node.inputs) == 1


@pytest.mark.parametrize(("axis", "count"), [(1, 2), (2, 3), (3, 2), (-1, 3)])
def test_split_into_parts(axis, count):
    check_same(one_node("Split", outputs=count, axis=axis, num_outputs=count), sample())


@pytest.mark.parametrize(
    ("pads", "axes"), [([1, 2, 0, 1], [2, 3]), ([1, 0], [-1]), ([1, 0, 2, 0, 1, 0, 1, 0], None), ([0, 2, 1, 1], [3, 1])]
)
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pad(pads, axes, mode):
    weights = [np.array(pads), None, None if axes is None else np.array(axes)]
    check_same(one_node("Pad", *weights[: 3 if axes else 1], mode=mode), sample())


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize_with_the_defaults_of_newer_attributes(mode):
    weights = [None, np.array([1, 1, 2, 3], np.float32)]
    attributes = {"antialias": 0, "keep_aspect_ratio_policy": "stretch", "mode": mode}
    check_same(one_node("Resize", *weights, **attributes), sample())


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate):
    check_same(one_node("Gelu", approximate=approximate), sample())


@pytest.mark.parametrize("op", ["Mish", "HardSwish", "Softplus", "Round", "Elu"])
def test_activations(op):
    check_same(one_node(op, opset=22), sample())


@pytest.mark.parametrize("alpha", [1.0, 1.7])
def test_swish(alpha):
    model = lower(one_node("Swish", opset=24, alpha=alpha))
    x = sample()
    assert np.allclose(run_model(model, {"x": x})["y0"], x / (1 + np.exp(-alpha * x)), atol=1e-5)


@pytest.mark.parametrize(("opset", "scales", "target"), [(18, 2, 17), (21, 4, 17), (21, 4, 20)])
def test_group_normalization(opset, scales, target):
    scale, bias = sample([scales], seed=1), sample([scales], seed=2)
    x = sample()
    model = lower(one_node("GroupNormalization", scale, bias, opset=opset, num_groups=2, epsilon=1e-3), target)
    grouped = x.reshape(3, 2, -1)
    normal = (grouped - grouped.mean(2, keepdims=True)) / np.sqrt(grouped.var(2, keepdims=True) + 1e-3)
    by_channel = np.repeat(scale, 4 // scales), np.repeat(bias, 4 // scales)
    expected = normal.reshape(x.shape) * by_channel[0][:, None, None] + by_channel[1][:, None, None]
    assert np.allclose(run_model(model, {"x": x})["y0"], expected, atol=1e-4)


@pytest.mark.parametrize("mode", ["linear", "cubic", "nearest"])
def test_grid_sample(mode):
    grid = np.random.default_rng(3).uniform(-1, 1, (3, 4, 4, 2)).astype(np.float32)
    check_same(one_node("GridSample", grid, mode=mode), sample())


def test_pooling_and_convolution():
    check_same(one_node("AveragePool", kernel_shape=[2, 2], dilations=[1, 1], count_include_pad=1), sample())
    check_same(one_node("MaxPool", opset=22, kernel_shape=[3, 2], strides=[2, 1]), sample())
    weight = sample([5, 4, 3, 3], seed=1)
    check_same(one_node("Conv", weight, opset=22, pads=[1, 1, 1, 1], strides=[2, 2]), sample())


@pytest.mark.parametrize(("zero", "opset"), [(np.uint8(128), 19), (np.int8(0), 21), (None, 21)])
def test_quantised_with_float32_scales(zero, opset):
    weights = [np.float32(0.05)] + ([] if zero is None else [zero])
    check_same(one_node("QuantizeLinear", *weights, opset=opset), sample())
    values = np.random.default_rng(1).integers(0, 200, IMAGE).astype(np.uint8)
    model = one_node("DequantizeLinear", np.float32(0.1), opset=opset, dtype=TensorProto.UINT8)
    check_same(model, values)


def test_output_dtype_becomes_a_zero_point():
    model = one_node("QuantizeLinear", np.float32(0.05), output_dtype=TensorProto.INT8)
    expected = np.clip(np.rint(sample() / np.float32(0.05)), -128, 127)
    assert np.array_equal(run_model(lower(model), {"x": sample()})["y0"], expected)


def test_cast_drops_what_only_8_bit_floats_need():
    model = lower(one_node("Cast", to=TensorProto.INT64, saturate=0))
    assert np.array_equal(run_model(model, {"x": sample()})["y0"], sample().astype(np.int64))


def test_an_older_graph_is_left_alone():
    model = one_node("Relu", opset=17)
    before = ir.to_proto(model).SerializeToString()
    assert not lower_opset(model, opset=17)
    assert ir.to_proto(model).SerializeToString() == before


def test_the_ir_version_goes_down_too():
    model = lower(one_node("Relu"))
    assert model.ir_version == 8


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    exits=st.integers(1, 3),
    with_shape=st.booleans(),
    policy=st.sampled_from(sorted(FOR_ROWS)),
)
def test_random_networks(seed, exits, with_shape, policy):
    maker = NetworkMaker(seed, exits=exits, width=6, with_mask=True, with_shape=with_shape)
    names = [f"exit_{k}" for k in range(exits)]
    fitted = policy_example(policy, exits=exits, classes=CLASSES)
    split = split_model(ir.from_proto(maker.model()), names, maker.inputs(3, seed=5), fitted)
    check_chain(split, maker.inputs(7, seed=1))


@pytest.mark.parametrize("policy", FOR_ROWS)
def test_branchy_cnn(policy):
    split = branchy_split(policy)
    check_chain(split, {"image": branchy_samples(16, seed=3)})
    for segment in split.segments:
        scored = [n for n in segment.model.graph if (n.name or "").startswith("score_")]
        assert scored
    assert lower(split.whole).graph.opset_imports[""] == 17


def check_chain(split, inputs):
    """Every output of every segment, scores and states included, is as before."""
    before, after = dict(inputs), dict(inputs)
    for segment in split.segments:
        before.update(run_model(segment.model, before))
        after.update(run_model(lower(segment.model), after))
    for name, expected in before.items():
        assert np.allclose(after[name], expected, rtol=1e-5, atol=1e-5), name
