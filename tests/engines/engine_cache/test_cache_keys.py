"""Whatever a plan depends on, a change of it is a miss that says what has changed."""

import dataclasses

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from zlib_backend import OPTIONS, T4, USER_KEY, ZlibBackend

from eengines.device_engine import PlanOptions
from eengines.engine_cache import EngineCache
from eengines.engine_cache.origin import Origin


def quantized_graph(*, weight: float = 0.5, activation_scale: float = 0.1) -> bytes:
    """A matrix product behind quantize and dequantize."""
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
            helper.make_node("MatMul", ["d", "w"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(np.float32(activation_scale), "scale"),
            numpy_helper.from_array(np.int8(0), "zero"),
            numpy_helper.from_array(np.full((4, 2), weight, np.float32), "w"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def fetch(cache, backend, graph=None, options=OPTIONS, label="segment 2"):
    return cache.fetch(backend, quantized_graph() if graph is None else graph, options, label=label)


@pytest.fixture
def cache(tmp_path) -> EngineCache:
    """A cache with a plan of `quantized_graph`."""
    cache = EngineCache(tmp_path / "cache", max_bytes=10**6, key=USER_KEY)
    _, outcome = fetch(cache, ZlibBackend())
    assert (outcome.status, outcome.not_kept) == ("built", "")
    return cache


def test_the_same_again_is_a_hit_with_content_and_notes(tmp_path):
    cache = EngineCache(tmp_path / "deep" / "cache", max_bytes=10**6, key=USER_KEY)
    backend = ZlibBackend(notes=("MatMul became a convolution", "zweite Ä"))
    built, first = fetch(cache, backend)
    kept, second = fetch(EngineCache(tmp_path / "deep" / "cache", max_bytes=10**6, key=USER_KEY), backend)

    assert (first.status, second.status, backend.builds) == ("built", "hit", 1)
    assert kept == built
    assert first.reason == "segment 2: no plan in the cache: building"
    assert second.reason == "segment 2: the plan was in the cache"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"TensorRT": "11.4.0"}, "built with TensorRT 10.4.0, here is 11.4.0"),
        ({"driver": "570.1"}, "built with driver 550.54, here is 570.1"),
        ({"compute capability": "8.0"}, "built with compute capability 7.5, here is 8.0"),
        ({"card": "T4"}, "built with card unknown, here is T4"),
        ({"driver": "570.1", "TensorRT": "11.4.0"}, "built with TensorRT 10.4.0, here is 11.4.0"),
    ],
)
def test_another_library_driver_or_card(cache, changed, words):
    there, here = ZlibBackend(), ZlibBackend({**T4, **changed})
    _, outcome = fetch(cache, here)
    assert (outcome.status, outcome.reason) == ("rebuilt", f"segment 2: {words}: building again")

    assert [fetch(cache, backend)[1].status for backend in (here, there)] == ["hit", "hit"], "both live side by side"


def test_a_part_that_is_gone(cache):
    _, outcome = fetch(cache, ZlibBackend({"TensorRT": "10.4.0", "compute capability": "7.5"}))
    assert outcome.reason == "segment 2: built with driver 550.54, here is unknown: building again"


@pytest.mark.parametrize("change", [{"weight": 0.25}, {"activation_scale": 0.2}], ids=["weights", "ranges"])
def test_changed_weights_and_ranges(cache, change):
    plan, outcome = fetch(cache, ZlibBackend(), quantized_graph(**change))
    assert outcome.status == "rebuilt"
    assert "other nodes, weights or INT8 ranges" in outcome.reason
    assert plan != fetch(cache, ZlibBackend())[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"buckets": (1, 4)}, "built with buckets (1, 8), here is (1, 4)"),
        ({"compute_capability": (8, 0)}, "built with compute capability not set, here is (8, 0)"),
        ({"workspace_bytes": 1}, "built with workspace bytes not set, here is 1"),
        ({"optimisation_level": 5}, "built with optimisation level not set, here is 5"),
    ],
)
def test_other_options(cache, change, words):
    _, outcome = fetch(cache, ZlibBackend(), options=dataclasses.replace(OPTIONS, **change))
    assert (outcome.status, outcome.reason) == ("rebuilt", f"segment 2: {words}: building again")


def test_every_option_is_part_of_the_key():
    origin = Origin.of(ZlibBackend(), b"", OPTIONS)
    assert set(origin.options) == {field.name for field in dataclasses.fields(PlanOptions)}


def test_every_part_of_an_origin_is_part_of_the_key():
    origin = Origin.of(ZlibBackend(), b"", OPTIONS)
    others = [
        msgspec.structs.replace(origin, **{name: value})
        for name, value in {"engine": "e", "identity": {}, "options": {}, "graph": "", "format": 0}.items()
    ]
    assert len(others) == len(msgspec.structs.fields(Origin))
    assert len({origin.key, *(other.key for other in others)}) == len(others) + 1


def test_the_order_of_an_identity_is_not_part_of_the_key(cache):
    assert fetch(cache, ZlibBackend(dict(reversed(T4.items()))))[1].status == "hit"


def test_another_backend_with_the_same_words(cache):
    assert fetch(cache, ZlibBackend(name="second"))[1].status == "built"
    _, outcome = fetch(cache, ZlibBackend({**T4, "driver": "1"}, name="third"))
    assert (outcome.status, outcome.reason) == ("built", "segment 2: no plan in the cache: building")


def test_the_reason_names_the_most_alike_plan_of_the_label(cache):
    fetch(cache, ZlibBackend({**T4, "driver": "1"}), quantized_graph(weight=9.0))
    fetch(cache, ZlibBackend({**T4, "driver": "1"}), label="segment 3")
    _, outcome = fetch(cache, ZlibBackend({**T4, "driver": "2"}))
    assert outcome.reason == "segment 2: built with driver 550.54, here is 2: building again"


def test_a_backend_without_plans_is_asked_every_time(tmp_path):
    cache = EngineCache(tmp_path / "cache", max_bytes=10**6, key=USER_KEY)
    backend = ZlibBackend(has_plans=False)
    outcomes = [fetch(cache, backend)[1] for _ in range(2)]

    assert backend.builds == 2
    assert [outcome.status for outcome in outcomes] == ["built", "built"]
    assert outcomes[0].reason == "segment 2: zlib has no plans"
    assert not (tmp_path / "cache").exists()
