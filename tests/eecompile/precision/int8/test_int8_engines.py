"""Quantised segments run for real, as chains, and stay near float32 and near each other."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import NetworkMaker

from eecompile.session import run_model

BOUND = 0.12
"""Largest error of the logits, in root mean square, against that of the float32 logits; INT8 of random weights."""

FAMILIES_AGREE = {"tensorrt": 0.15, "openvino": 0.08}
"""The same against ONNX Runtime's: symmetric int8 has half the levels for what a ReLU makes."""

ENGINE_ERROR = 0.02
"""The same for an engine against its graph computed literally: a value next to half a step may round either way."""

RUNS = {"onnxruntime": "onnxruntime", "openvino": "openvino", "tensorrt": "onnxruntime"}
"""TensorRT's pattern runs in ONNX Runtime here; it computes the same numbers, only slower."""


def answers(network, family, run):
    values = dict(network.inputs)
    for segment in network.lowered[family]:
        onnx.checker.check_model(ir.to_proto(segment), full_check=True)
        values.update(run(segment, values))
    return values


def error(got, reference):
    names = [name for name in reference if name.startswith("exit_")]
    wrong = sum(float(((got[n] - reference[n]) ** 2).mean()) for n in names)
    return np.sqrt(wrong / sum(float((reference[n] ** 2).mean()) for n in names))


def check(network, run_in):
    got = {family: answers(network, family, run_in[engine]) for family, engine in RUNS.items()}
    for family, values in got.items():
        assert error(values, network.reference) < BOUND, family
        scores = [name for name in values if name.startswith("score_")]
        assert all(values[name].dtype == np.float32 for name in scores)
    for family, bound in FAMILIES_AGREE.items():
        assert error(got[family], got["onnxruntime"]) < bound, family


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_random_image_networks(image_network, run_in, seed):
    check(image_network(seed), run_in)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    exits=st.integers(1, 3),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    policy=st.sampled_from(["max-probability", "patience"]),
)
def test_random_networks(quantised, run_in, seed, exits, with_mask, with_shape, policy):
    maker = NetworkMaker(seed, exits=exits, width=6, with_mask=with_mask, with_shape=with_shape)
    check(quantised(ir.from_proto(maker.model()), maker.inputs(64, seed=1), policy), run_in)


@pytest.mark.parametrize("seed", [0, 3, 8, 11])
@pytest.mark.parametrize("family", ["onnxruntime", "openvino"])
def test_an_engine_computes_what_its_graph_says(image_network, run_in, family, seed):
    network = image_network(seed)
    literal = answers(network, family, run_model)
    assert error(answers(network, family, run_in[family]), literal) < ENGINE_ERROR
    assert error(literal, network.reference) > 0


@pytest.mark.parametrize("family", ["onnxruntime", "openvino"])
def test_crossings_are_bytes_and_equal_what_float_boundaries_give(image_network, images, run_in, family):
    network = image_network(3)
    assert network.crossing
    values = answers(network, family, run_in[family])
    for name in network.crossing:
        assert values[name].dtype == np.uint8
        limits = network.ranges[name]
        restored = np.interp(values[name], [0, 255], [limits.low, limits.high])
        scale = (limits.high - limits.low) / 255
        assert np.abs(restored - network.reference[name]).mean() < 4 * scale
