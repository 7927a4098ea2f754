"""Every backend computes the same, on the rows it is bound to and nowhere else."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from eengines.backends import BACKENDS, load_backend
from eengines.errors import EngineError, UserError
from eengines.tensors import TensorSpec, allocate

TOLERANCE = 1e-5
WEIGHT = np.random.default_rng(0).standard_normal((3, 1, 3, 3)).astype(np.float32)


def graph() -> bytes:
    """`image [batch, 1, 6, 6]`, `row [batch, 2] int64` → `features [batch, 3, 6, 6]`, `sums [batch] float32`."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["features"]),
        helper.make_node("Cast", ["row"], ["float_row"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["float_row", "axes"], ["sums"], keepdims=0),
    ]
    made = helper.make_graph(
        nodes,
        "conformance",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 6, 6]),
            helper.make_tensor_value_info("row", TensorProto.INT64, ["batch", 2]),
        ],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 3, 6, 6]),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["batch"]),
        ],
        [numpy_helper.from_array(WEIGHT, "w"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def expected_features(image: np.ndarray) -> np.ndarray:
    """The convolution, written out."""
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.maximum(np.einsum("nchwij,ocij->nohw", windows, WEIGHT), 0)


@pytest.fixture(params=sorted(BACKENDS))
def engine(request):
    return load_backend(request.param).load(graph(), threads=2)


def buffers(engine, rows):
    return {spec.name: allocate(spec, rows) for spec in (*engine.inputs, *engine.outputs)}


def bind(engine, arrays, rows):
    return engine.open(
        {spec.name: arrays[spec.name][rows] for spec in engine.inputs},
        {spec.name: arrays[spec.name][rows] for spec in engine.outputs},
    )


def test_specs(engine):
    assert engine.inputs == (
        TensorSpec(name="image", dtype="float32", shape=(1, 6, 6)),
        TensorSpec(name="row", dtype="int64", shape=(2,)),
    )
    assert engine.outputs == (
        TensorSpec(name="features", dtype="float32", shape=(3, 6, 6)),
        TensorSpec(name="sums", dtype="float32", shape=()),
    )


@pytest.mark.parametrize(("offset", "bucket"), [(0, 1), (0, 8), (3, 2), (5, 3)])
def test_only_bound_rows_change_and_new_inputs_are_read(engine, offset, bucket):
    arrays = buffers(engine, 8)
    rows = slice(offset, offset + bucket)
    session = bind(engine, arrays, rows)
    random = np.random.default_rng(1)
    for _ in range(2):
        arrays["image"][:] = random.standard_normal(arrays["image"].shape)
        arrays["row"][:] = random.integers(-5, 5, arrays["row"].shape)
        arrays["features"][:], arrays["sums"][:] = -7, -7

        session.run()

        assert np.allclose(arrays["features"][rows], expected_features(arrays["image"][rows]), atol=TOLERANCE)
        assert np.array_equal(arrays["sums"][rows], arrays["row"][rows].sum(1).astype(np.float32))
        outside = np.ones(8, bool)
        outside[rows] = False
        assert (arrays["features"][outside] == -7).all()
        assert (arrays["sums"][outside] == -7).all()


def test_two_sessions_of_one_engine(engine):
    arrays = buffers(engine, 4)
    arrays["row"][:] = [[1, 2], [3, 4], [5, 6], [7, 8]]
    first, second = bind(engine, arrays, slice(0, 3)), bind(engine, arrays, slice(3, 4))

    second.run()
    assert arrays["sums"].tolist() == [0, 0, 0, 15]
    first.run()
    assert arrays["sums"].tolist() == [3, 7, 11, 15]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update(image=a["image"].astype(np.float64)), r"got float64 \[4, 1, 6, 6\], expected float32"),
        (lambda a: a.update(image=np.zeros((4, 1, 6, 5), np.float32)), r"got float32 \[4, 1, 6, 5\]"),
        (lambda a: a.update(image=np.zeros((4, 1, 6, 12), np.float32)[..., ::2]), "not contiguous"),
        (lambda a: a.update(row=a["row"][:2]), r"got int64 \[2, 2\], expected int64 \[4, 2\]"),
        (lambda a: a.pop("row"), "no array was given"),
        (lambda a: a.update({k: v[:0] for k, v in a.items()}), "got no rows"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(engine, change, message):
    arrays = buffers(engine, 4)
    change(arrays)
    inputs = {k: v for k, v in arrays.items() if k in ("image", "row")}
    outputs = {k: v for k, v in arrays.items() if k in ("features", "sums")}

    with pytest.raises(EngineError, match=message):
        engine.open(inputs, outputs)


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_a_graph_that_is_none_is_refused(name):
    with pytest.raises(EngineError):
        load_backend(name).load(b"not a graph", threads=2)


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_a_fixed_batch_is_refused(name):
    model = onnx.load_from_string(graph())
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 2

    with pytest.raises(EngineError, match="symbolic batch axis in front"):
        load_backend(name).load(model.SerializeToString(), threads=2)


@pytest.mark.parametrize("name", ["onnxruntime", "reference"])
def test_an_index_out_of_range_is_an_engine_error(name):
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["row"])],
        "gather",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["batch"])],
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(np.eye(3, 2, dtype=np.float32), "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    engine = load_backend(name).load(model.SerializeToString(), threads=2)
    arrays = buffers(engine, 2)
    session = engine.open({"index": arrays["index"]}, {"row": arrays["row"]})
    arrays["index"][:] = (2, 0)
    session.run()
    assert arrays["row"].tolist() == [[0, 0], [1, 0]]
    arrays["index"][:] = (0, 7)
    with pytest.raises(EngineError, match="Check the input values"):
        session.run()


def test_unknown_engine_names_those_that_exist():
    with pytest.raises(UserError, match="known are onnxruntime, openvino, reference"):
        load_backend("tensorflow")


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_weights_in_another_file_are_refused(name, tmp_path):
    model = onnx.load_from_string(graph())
    onnx.external_data_helper.convert_model_to_external_data(model, location="w.bin", size_threshold=0)
    onnx.save(model, tmp_path / "m.onnx")

    with pytest.raises(EngineError):
        load_backend(name).load((tmp_path / "m.onnx").read_bytes(), threads=2)


def half_graph(kind: int) -> bytes:
    """`x [batch, 4]` → `y = x + x`, both of a half type."""
    made = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "half",
        [helper.make_tensor_value_info("x", kind, ["batch", 4])],
        [helper.make_tensor_value_info("y", kind, ["batch", 4])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


@pytest.mark.parametrize("name", sorted(BACKENDS))
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_types_cross_without_a_copy_of_another_type(name, dtype):
    backend = load_backend(name)
    if dtype not in backend.probe().precisions:
        pytest.skip(f"{name} has no {dtype} on this machine")
    kind = TensorProto.FLOAT16 if dtype == "float16" else TensorProto.BFLOAT16
    engine = backend.load(half_graph(kind), threads=2)
    (given,), (made,) = engine.inputs, engine.outputs
    assert (given.dtype, made.dtype) == (dtype, dtype)
    assert given.row_bytes == 8

    arrays = buffers(engine, 3)
    values = np.array([[1, 2, -3, 0.5]] * 3)
    arrays["x"][:] = values if dtype == "float16" else (values.astype(np.float32).view(np.uint32) >> 16)
    bind(engine, arrays, slice(0, 3)).run()

    got = arrays["y"] if dtype == "float16" else (arrays["y"].astype(np.uint32) << 16).view(np.float32)
    assert np.array_equal(got.astype(np.float64), 2 * values)
