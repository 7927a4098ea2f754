"""What the ONNX Runtime backend does to its process, and what graphs may not do to it."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from eengines.backends import load_backend
from eengines.errors import EngineError


def graph_with_outside_weights(location: str) -> bytes:
    weight = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", location
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


@pytest.mark.parametrize("location", ["secret.bin", "../{folder}/secret.bin", "{path}"])
def test_weights_outside_the_graph_are_not_read(location, tmp_path, monkeypatch):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    graph = graph_with_outside_weights(location.format(folder=tmp_path.name, path=secret))
    assert onnx.load_from_string(graph).graph.initializer[0].data_location == TensorProto.EXTERNAL

    with pytest.raises(EngineError, match="refuses the graph"):
        load_backend("onnxruntime").load(graph, threads=2)


def test_one_pool_of_threads_for_the_process():
    program = """
from eengines.backends.onnxruntime import session_options
from eengines.errors import EngineError
session_options(1)
session_options(None)
session_options(1)
try:
    session_options(2)
except EngineError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "got 2 threads, but this process has its one thread pool already, with 1" in done.stdout
