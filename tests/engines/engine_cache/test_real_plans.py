"""Plans of TensorRT for RTX, which builds without a GPU. Two builds of it differ, so equal bytes were kept."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from zlib_backend import USER_KEY

from eengines.device_engine import PlanOptions
from eengines.engine_cache import EngineCache

pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
module = pytest.importorskip("eengines.backends.tensorrt_rtx", exc_type=ImportError)

AMPERE = PlanOptions(buckets=(1, 4), compute_capability=(8, 0))
ADA = PlanOptions(buckets=(1, 4), compute_capability=(8, 9))


def convolution(weight: float) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 8, 8])],
        [numpy_helper.from_array(np.full((4, 3, 3, 3), weight, np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def test_plans_of_two_cards_and_two_weights(tmp_path):
    backend = module.TensorRtRtxBackend()

    def fetch(weight, options):
        cache = EngineCache(tmp_path, max_bytes=10**9, key=USER_KEY)
        return cache.fetch(backend, convolution(weight), options, label="segment 1")

    wanted = [(0.5, AMPERE), (0.5, ADA), (0.25, AMPERE)]
    built = [fetch(*request) for request in wanted]
    kept = [fetch(*request) for request in wanted]

    assert [outcome.status for _, outcome in built] == ["built", "rebuilt", "rebuilt"]
    assert "compute capability" in built[1][1].reason
    assert "weights" in built[2][1].reason
    assert [outcome.status for _, outcome in kept] == ["hit"] * 3
    assert [plan for plan, _ in kept] == [plan for plan, _ in built]
    listed = EngineCache(tmp_path, max_bytes=10**9, key=USER_KEY).info().entries
    assert all(entry.library and not entry.problem for entry in listed)
