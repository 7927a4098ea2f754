"""What is particular to OpenVINO: the types in the graph decide, and one engine serves many batch sizes."""

import threading

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from eengines.backends import load_backend
from eengines.errors import EngineError
from eengines.tensors import allocate

SIZE = 64


def matmul(kind, *, seed=0):
    """`x [batch, 64]` → `y = x · w`, in one type; returns the graph and the weights as float64."""
    weight = np.random.default_rng(seed).standard_normal((SIZE, SIZE)).astype(np.float32)
    stored = numpy_helper.from_array(weight.astype(helper.tensor_dtype_to_np_dtype(kind)), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "matmul",
        [helper.make_tensor_value_info("x", kind, ["batch", SIZE])],
        [helper.make_tensor_value_info("y", kind, ["batch", SIZE])],
        [stored],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString(), numpy_helper.to_array(stored).astype(np.float64)


@pytest.fixture(scope="module")
def backend():
    return load_backend("openvino")


def run(engine, x):
    arrays = {spec.name: allocate(spec, len(x)) for spec in (*engine.inputs, *engine.outputs)}
    arrays["x"][:] = x
    engine.open({"x": arrays["x"]}, {"y": arrays["y"]}).run()
    return arrays["y"]


def test_float32_graphs_compute_in_float32_even_where_bfloat16_is_faster(backend):
    graph, weight = matmul(TensorProto.FLOAT)
    x = np.random.default_rng(1).standard_normal((32, SIZE)).astype(np.float32)
    error = np.abs(run(backend.load(graph, threads=2), x) - x @ weight).max()
    assert error < 1e-4, "bfloat16 would be off by 2⁻⁸ of the values"


def test_bfloat16_graphs_cross_as_the_bits_of_bfloat16(backend):
    if "bfloat16" not in backend.probe().precisions:
        pytest.skip("this processor has no bfloat16")
    graph, weight = matmul(TensorProto.BFLOAT16)
    engine = backend.load(graph, threads=2)
    assert [(s.dtype, s.storage.name) for s in (*engine.inputs, *engine.outputs)] == [("bfloat16", "uint16")] * 2
    x = np.random.default_rng(1).standard_normal((32, SIZE)).astype(np.float32)
    bits = (x.view(np.uint32) >> 16).astype(np.uint16)
    rounded = (bits.astype(np.uint32) << 16).view(np.float32)
    got = (run(engine, bits).astype(np.uint32) << 16).view(np.float32)
    assert np.abs(got - rounded @ weight).max() < 2**-7 * np.abs(rounded @ weight).max()


def test_many_batch_sizes_of_one_engine_in_any_order(backend):
    graph, weight = matmul(TensorProto.FLOAT)
    engine = backend.load(graph, threads=2)
    for rows in (8, 1, 5, 8, 2):
        x = np.random.default_rng(rows).standard_normal((rows, SIZE)).astype(np.float32)
        assert np.allclose(run(engine, x), x @ weight, atol=1e-4)


def test_threads_share_one_engine(backend):
    graph, weight = matmul(TensorProto.FLOAT)
    engine, wrong = backend.load(graph, threads=2), []

    def work(rows):
        x = np.random.default_rng(rows).standard_normal((rows, SIZE)).astype(np.float32)
        for _ in range(5):
            if not np.allclose(run(engine, x), x @ weight, atol=1e-4):
                wrong.append(rows)

    workers = [threading.Thread(target=work, args=(rows,)) for rows in (1, 2, 3, 3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_outputs_that_are_one_value_under_two_names_are_told_apart(backend):
    """An Identity makes OpenVINO merge two values; both names must still be bound and written."""
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["first"]),
            helper.make_node("Identity", ["first"], ["second"]),
            helper.make_node("Neg", ["second"], ["third"]),
        ],
        "names",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 3]) for n in ("second", "third", "first")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    engine = backend.load(model.SerializeToString(), threads=2)
    assert [spec.name for spec in engine.inputs] == ["x"]
    assert [spec.name for spec in engine.outputs] == ["second", "third", "first"]
    arrays = {spec.name: allocate(spec, 2) for spec in (*engine.inputs, *engine.outputs)}
    arrays["x"][:] = [[1, -2, 3], [-1, 0, 5]]
    engine.open({"x": arrays["x"]}, {n: arrays[n] for n in ("first", "second", "third")}).run()
    expected = np.maximum(arrays["x"], 0)
    for name, sign in (("first", 1), ("second", 1), ("third", -1)):
        assert np.array_equal(arrays[name], sign * expected), name


def test_the_names_are_those_of_the_graph(backend):
    """A graph input that is cast at once: OpenVINO gives the port more than one name."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["raw"], ["inner"], to=TensorProto.FLOAT),
            helper.make_node("Identity", ["inner"], ["same"]),
            helper.make_node("Mul", ["same", "same"], ["squares"]),
        ],
        "names",
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 2]) for n in ("squares", "inner")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    engine = backend.load(model.SerializeToString(), threads=2)
    assert [spec.name for spec in engine.inputs] == ["raw"]
    assert [spec.name for spec in engine.outputs] == ["squares", "inner"]


def test_an_operator_that_openvino_lacks_is_an_engine_error(backend):
    graph = helper.make_graph(
        [helper.make_node("NoSuchOperator", ["x"], ["y"], domain="some.where")],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("some.where", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def load_and_run():
        run(backend.load(model.SerializeToString(), threads=2), np.zeros((1, 3), np.float32))

    with pytest.raises(EngineError, match="OpenVINO"):
        load_and_run()


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setattr("eengines.backends.openvino.find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"openvino is not installed: pip install 'eecompile\[cpu\]'"):
        load_backend("openvino")


def test_a_file_that_cannot_be_read(backend, tmp_path):
    with pytest.raises(EngineError, match="cannot be read"):
        backend.load(tmp_path / "missing.onnx", threads=2)
