"""A graph with a second symbolic axis is loaded for one size of it, by every backend of the CPU."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from eengines.backends import load_backend
from eengines.backends.named_axes import declared_sizes
from eengines.errors import EngineError

BACKENDS = ("onnxruntime", "openvino", "reference")


def network() -> bytes:
    """`x [batch, length, 2]` turned round, twice; the second time by a Reshape over the sizes of a Shape."""
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in SHAPES.items()}
    nodes = [
        helper.make_node("Transpose", ["x"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Reshape", ["turned", "sizes"], ["back"]),
    ]
    graph = helper.make_graph(nodes, "net", [values["x"]], [values["turned"], values["back"]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


SHAPES = {"x": ["batch", "length", 2], "turned": ["batch", 2, "length"], "back": ["batch", "length", 2]}


def backend(name):
    if name == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    return load_backend(name)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_shape_is_fixed_for_the_size_and_runs(name):
    for length in (3, 5):
        engine = backend(name).load(network(), threads=2, sizes={"length": length, "nobody": 7})
        assert {s.name: s.shape for s in (*engine.inputs, *engine.outputs)} == {
            "x": (length, 2),
            "turned": (2, length),
            "back": (length, 2),
        }
        x = np.random.default_rng(length).standard_normal((2, length, 2), np.float32)
        outputs = {spec.name: np.empty((2, *spec.shape), np.float32) for spec in engine.outputs}
        engine.open({"x": x}, outputs).run()
        assert np.array_equal(outputs["turned"], x.transpose(0, 2, 1))
        assert np.array_equal(outputs["back"], x.transpose(0, 2, 1).reshape(x.shape))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("sizes", [{}, {"nobody": 3}])
def test_an_axis_without_a_size_is_refused(name, sizes):
    with pytest.raises(EngineError, match="expected a symbolic batch axis in front and fixed axes behind"):
        backend(name).load(network(), threads=2, sizes=sizes)


def test_sizes_and_names_are_read_from_the_bytes():
    assert declared_sizes(network(), {"length": 9}, "here") == {
        "x": {1: 9, 2: 2},
        "turned": {1: 2, 2: 9},
        "back": {1: 9, 2: 2},
    }
    assert declared_sizes(network(), {}, "here")["x"] == {2: 2}


def test_bytes_that_are_no_graph_are_refused():
    with pytest.raises(EngineError, match=r"here: not an ONNX graph"):
        declared_sizes(network()[:-3], {}, "here")
