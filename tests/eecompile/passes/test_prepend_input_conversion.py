"""Raw samples through the changed graph equal converted samples through the network."""

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from eecompile.input_info import InputInfo
from eecompile.network_values import network_values
from eecompile.passes import prepend_input_conversion
from eecompile.session import run_model
from eengines.errors import IngestError

TOLERANCE = 1e-5


def network(channels: int) -> ir.Model:
    """`x [batch, channels, 4, 5]` → `2 · relu(x)`."""
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("Add", ["r", "r"], ["y"], name="add"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", channels, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", channels, 4, 5])],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))


NUMBERS = st.floats(-2, 2)


@settings(max_examples=30, deadline=None)
@given(
    channels=st.integers(1, 3),
    dtype=st.sampled_from(["uint8", "int16", "float32"]),
    layout=st.sampled_from([None, "NCHW", "NHWC"]),
    scale=st.none() | st.floats(1e-3, 2),
    data=st.data(),
)
def test_the_graph_converts_as_the_formula_says(channels, dtype, layout, scale, data):
    def per_channel(numbers):
        return data.draw(
            st.none() | st.tuples(numbers) | st.lists(numbers, min_size=channels, max_size=channels).map(tuple)
        )

    info = InputInfo(
        name="x",
        shape=(4, 5, channels) if layout == "NHWC" else (channels, 4, 5),
        dtype=dtype,
        layout=layout,
        scale=scale,
        mean=per_channel(NUMBERS),
        std=per_channel(st.floats(0.1, 3)),
    )
    raw = np.random.default_rng(0).integers(0, 200, (3, *info.shape)).astype(dtype)
    seen = network_values(info, raw)
    expected = run_model(network(channels), {"x": seen})["y"]
    changed = network(channels)

    prepend_input_conversion(changed, [info])

    assert changed.graph.inputs[0].name == "x"
    got = run_model(changed, {"x": raw})["y"]
    scale_of_values = 1 + np.abs(expected).max()
    assert np.allclose(got, expected, rtol=0, atol=TOLERANCE * scale_of_values)


def test_nothing_is_added_where_nothing_is_to_do():
    model = network(2)
    prepend_input_conversion(model, [InputInfo(name="x", shape=(2, 4, 5), dtype="float32")])
    assert [node.op_type for node in model.graph] == ["Relu", "Add"]


def test_bytes_need_three_operators():
    model = network(3)
    info = InputInfo(name="x", shape=(3, 4, 5), dtype="uint8", scale=1 / 255, mean=(0.5,), std=(0.2,))
    prepend_input_conversion(model, [info])
    assert [node.op_type for node in model.graph] == ["Cast", "Mul", "Sub", "Relu", "Add"]


def test_a_shape_that_does_not_fit_is_refused():
    info = InputInfo(name="x", shape=(3, 5, 4), dtype="uint8")
    with pytest.raises(IngestError, match=r"give \[3, 5, 4\], the network takes \[3, 4, 5\]"):
        prepend_input_conversion(network(3), [info])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_every_image_of_a_row_is_converted_by_itself(layout):
    rows, fold, channels = 3, 2, 3
    info = InputInfo(
        name="x",
        shape=(4, 5, channels) if layout == "NHWC" else (channels, 4, 5),
        dtype="uint8",
        layout=layout,
        scale=1 / 255,
        mean=(0.1, 0.4, 0.9),
        std=(0.2, 0.3, 0.5),
    )
    raw = np.random.default_rng(1).integers(0, 256, (rows * fold, *info.shape)).astype(np.uint8)
    seen = network_values(info, raw)
    folded = network(channels)
    for value in [*folded.graph.inputs, *folded.graph.outputs]:
        value.shape = ir.Shape(["batch", fold, channels, 4, 5])
    prepend_input_conversion(folded, [info], fold=fold)
    assert list(folded.graph.inputs[0].shape)[1:] == [fold, *info.shape]
    got = run_model(folded, {"x": raw.reshape(rows, fold, *info.shape)})["y"]
    expected = 2 * np.maximum(seen, 0).reshape(rows, fold, channels, 4, 5)
    np.testing.assert_allclose(got, expected, atol=TOLERANCE)
    other = network(channels)
    other.graph.inputs[0].shape = ir.Shape(["batch", fold, channels, 4, 5])
    with pytest.raises(IngestError, match=r"give \[4, 3, 4, 5\], the network takes \[2, 3, 4, 5\]"):
        prepend_input_conversion(other, [info], fold=4)
