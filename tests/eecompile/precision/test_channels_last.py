"""Boundaries with channels last: the same answers, the same names, other orders."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from branchy_segments import branchy_split
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from eecompile.precision.channels_last import channels_last
from eecompile.session import run_model
from eecompile.split import split_model
from eerun.policies import policy_by_name

SIDE, CLASSES = 6, 3
TOLERANCE = 1e-6
"""Of the largest logit: transposing moves numbers and computes nothing."""


class ConvMaker:
    """Draws a network of convolutions with skips and an exit after each of its parts."""

    def __init__(self, seed: int, exits: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights, self.outputs = [], [], []
        self.live = [("x", 3)]
        for index in range(exits):
            for _ in range(int(self.random.integers(1, 4))):
                self.block(str(self.random.choice(["conv", "skip", "concat", "two", "flat"])))
            self.exit(index)

    def add(self, op, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"n{len(self.nodes)}", **attributes))
        return names

    def weight(self, array):
        self.weights.append(numpy_helper.from_array(np.asarray(array), f"w{len(self.weights)}"))
        return self.weights[-1].name

    def convolution(self, value, inputs, outputs):
        weight = self.weight((self.random.standard_normal((outputs, inputs, 3, 3)) / 4).astype(np.float32))
        return self.add("Relu", self.add("Conv", [value, weight], pads=[1] * 4))[0]

    def block(self, kind):
        value, size = self.live[-1]
        other, other_size = self.live[int(self.random.integers(0, len(self.live)))]
        if kind == "skip":
            self.live.append((self.add("Add", [value, self.convolution(value, size, size)])[0], size))
        elif kind == "concat":
            self.live.append((self.add("Concat", [value, other], axis=1)[0], size + other_size))
        elif kind == "two" and size > 1:
            sizes = self.weight(np.array([1, size - 1], np.int64))
            left, right = self.add("Split", [value, sizes], outputs=2, axis=1)
            self.live += [(left, 1), (right, size - 1)]
        elif kind == "flat":
            mean = self.add("GlobalAveragePool", [value])[0]
            self.live.append((self.add("Mul", [value, mean])[0], size))
        else:
            outputs = int(self.random.integers(2, 7))
            self.live.append((self.convolution(value, size, outputs), outputs))

    def exit(self, index):
        value, size = self.live[-1]
        flat = self.add("Flatten", self.add("GlobalAveragePool", [value]), axis=1)[0]
        weight = self.weight(self.random.standard_normal((size, CLASSES)).astype(np.float32))
        self.nodes.append(helper.make_node("MatMul", [flat, weight], [f"exit_{index}"], name=f"head_{index}"))
        self.outputs.append(helper.make_tensor_value_info(f"exit_{index}", TensorProto.FLOAT, ["batch", CLASSES]))
        self.live.append((self.convolution(value, size, size), size))

    def model(self):
        given_ = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])]
        graph = helper.make_graph(self.nodes, "convs", given_, self.outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def images(count, seed):
    return {"x": np.random.default_rng(seed).standard_normal((count, 3, SIDE, SIDE)).astype(np.float32)}


def chained(models, inputs):
    values = dict(inputs)
    for model in models:
        onnx.checker.check_model(ir.to_proto(model), full_check=True)
        values.update(run_model(model, values))
    return values


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), exits=st.integers(2, 4), policy=st.sampled_from(["max-probability", "patience"]))
def test_transposed_segments_chained_give_the_same_answers(seed, exits, policy):
    names = [f"exit_{index}" for index in range(exits)]
    model = ir.from_proto(ConvMaker(seed, exits).model())
    split = split_model(model, names, images(3, seed=1), policy_by_name(policy))
    inputs = images(4, seed=2)
    expected = chained([segment.model for segment in split.segments], inputs)
    turned = [segment.model.clone() for segment in split.segments]
    for graph in turned:
        channels_last(graph, crossing=split.crossing)
    got = chained(turned, inputs)

    assert got.keys() == expected.keys()
    for name, value in expected.items():
        turned_over = name in split.crossing and value.ndim == 4
        array = value.transpose(0, 2, 3, 1) if turned_over else value
        assert got[name].shape == array.shape
        assert np.abs(got[name] - array).max() <= TOLERANCE * max(1.0, np.abs(array).max()), name


def branchy():
    return branchy_split("max-probability")


def test_shapes_names_and_the_batch_axis():
    split = branchy()
    before = [[(v.name, list(v.shape)) for v in s.model.graph.outputs] for s in split.segments]
    for segment in split.segments:
        channels_last(segment.model, crossing=split.crossing)
    for segment, outputs in zip(split.segments, before, strict=True):
        for value, (name, shape) in zip(segment.model.graph.outputs, outputs, strict=True):
            assert value.name == name
            assert not isinstance(value.shape[0], int)
            turned = name in split.crossing
            assert [str(d) for d in value.shape] == [
                str(shape[a]) for a in ((0, 2, 3, 1) if turned else range(len(shape)))
            ]


def test_raw_images_exits_and_what_does_not_cross_keep_their_order():
    split = branchy()
    whole, raw = split.whole.clone(), [str(d) for d in split.segments[0].model.graph.inputs[0].shape]
    channels_last(split.whole, crossing=split.crossing)
    assert ir.to_proto(split.whole).SerializeToString() == ir.to_proto(whole).SerializeToString()
    for segment in split.segments:
        channels_last(segment.model, crossing=split.crossing)
    assert [str(d) for d in split.segments[0].model.graph.inputs[0].shape] == raw


def test_one_transposition_at_each_end():
    split = branchy()
    for index, segment in enumerate(split.segments):
        assert not [n for n in segment.model.graph if n.op_type == "Transpose"]
        channels_last(segment.model, crossing=split.crossing)
        found = [n for n in segment.model.graph if n.op_type == "Transpose"]
        assert len(found) == (1 if index in (0, 2) else 2)
        assert len({n.name for n in segment.model.graph}) == len(segment.model.graph)


@pytest.mark.parametrize("crossing", [(), ("no_such_value",)])
def test_nothing_crosses_nothing_changes(crossing):
    model = branchy().segments[1].model
    before = ir.to_proto(model).SerializeToString()
    channels_last(model, crossing=crossing)
    assert ir.to_proto(model).SerializeToString() == before
