"""What the backend of full TensorRT does around a build: the card of its number is current, times are kept.

The library is TensorRT for RTX under the name and without the list of cards of the full one: it builds without a GPU.
"""

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest
from onnx import TensorProto, helper
from required import require_rtx

from eengines.backends import find_device_backend
from eengines.device_engine import PlanOptions
from eengines.engine import Capability

rtx = require_rtx()
pytestmark = pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")

OPTIONS = PlanOptions(buckets=(1, 2))
CARDS = {0: ((7, 5), "Tesla T4"), 1: ((8, 9), "NVIDIA L4")}


def graph() -> bytes:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in "xy"]
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "relu", value[:1], value[1:])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


@pytest.fixture
def current(monkeypatch, tmp_path):
    """Pretend that TensorRT 11.4 and two cards are here; the numbers of the cards that were current, in order."""
    module, used = ModuleType("tensorrt"), []
    vars(module).update({name: value for name, value in vars(rtx).items() if name != "ComputeCapability"})
    module.__version__ = "11.4.0"
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr("eengines.nvinfer.library.find_spec", lambda _: object())
    monkeypatch.setenv("EECOMPILE_CACHE", str(tmp_path))

    def open_device(ordinal):
        @contextmanager
        def use():
            used.append(ordinal)
            yield

        card, name = CARDS[ordinal]
        return SimpleNamespace(name=name, driver="580.65", compute_capability=card, use=use)

    monkeypatch.setattr("eengines.devices.cuda.open_cuda_device", open_device)
    monkeypatch.setattr("eengines.devices.cuda.probe_cuda", lambda number: Capability(ok=True, reason=f"GPU {number}"))
    return used


@pytest.mark.parametrize("ordinal", CARDS)
def test_the_gpu_of_its_number_is_probed_named_and_current(ordinal, current):
    backend, (card, name) = find_device_backend("tensorrt", ordinal=ordinal), CARDS[ordinal]
    words = "sm_{}{}".format(*card)
    assert backend.probe().reason == backend.probe_build(None).reason == f"TensorRT 11.4.0 for {words}"
    other = CARDS[1 - ordinal][0]
    assert f"here is {words}" in backend.probe_build(other).reason
    assert backend.identity(OPTIONS)["GPU"] == name
    assert len(backend.build(graph(), OPTIONS, lambda _: None).content) > 1000
    assert current == [ordinal]


def test_times_are_kept_for_the_version_and_the_card(current, tmp_path):
    find_device_backend("tensorrt", ordinal=1).build(graph(), OPTIONS, lambda _: None)
    kept = tmp_path / "timing" / "11.4.0-nvidia-l4.cache"
    assert kept.stat().st_size > 0
    find_device_backend("tensorrt").build(graph(), OPTIONS, lambda _: None)
    assert {file.name for file in kept.parent.glob("*.cache")} == {kept.name, "11.4.0-tesla-t4.cache"}


def test_times_may_be_kept_elsewhere_or_not_at_all(current, tmp_path):
    from eengines.backends.tensorrt import TensorRtBackend

    TensorRtBackend(keep_times=False).build(graph(), OPTIONS, lambda _: None)
    assert list(tmp_path.iterdir()) == []
    TensorRtBackend(timing_cache=tmp_path / "times").build(graph(), OPTIONS, lambda _: None)
    assert {file.name for file in tmp_path.iterdir()} == {"times", "times.lock"}


def test_a_folder_that_cannot_be_written_fails_no_build(current, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EECOMPILE_CACHE", str(tmp_path / "file"))
    assert len(find_device_backend("tensorrt").build(graph(), OPTIONS, lambda _: None).content) > 1000
    assert any("cannot be written" in record.message for record in caplog.records)
