"""The backend of full TensorRT: what it says where it cannot be used, and what a plan of it depends on."""

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest

from eengines.backends.tensorrt import TensorRtBackend
from eengines.device_engine import PlanOptions
from eengines.engine import Capability
from eengines.errors import EngineError

OPTIONS = PlanOptions(buckets=(1,))


@pytest.fixture
def machine(monkeypatch):
    """Pretend that a version of TensorRT and a GPU are here; nothing of either is called, only looked at."""

    def pretend(version, card, *, name="Some GPU", driver="580.65"):
        module = ModuleType("tensorrt")
        module.__version__ = version
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        monkeypatch.setattr("eengines.nvinfer.library.find_spec", lambda _: object())
        found = Capability(ok=card is not None, reason="a GPU is here" if card else "no driver: install one")
        device = SimpleNamespace(
            name=name, driver=driver, compute_capability=card, use=contextmanager(lambda: iter([1]))
        )
        monkeypatch.setattr("eengines.nvinfer.backend._probe_device", lambda _: found)
        monkeypatch.setattr("eengines.nvinfer.backend._open_device", lambda _: device)
        return TensorRtBackend()

    return pretend


def test_a_missing_library_names_the_extra(monkeypatch):
    monkeypatch.setattr("eengines.nvinfer.library.find_spec", lambda _: None)
    backend = TensorRtBackend()
    assert backend.name == "tensorrt"
    for capability in (backend.probe(), backend.probe_build(None)):
        assert not capability.ok
        assert capability.reason == "tensorrt is not installed: pip install 'eecompile[tensorrt]'"
    for use in (backend.identity, lambda options: backend.build(b"", options, lambda _: None)):
        with pytest.raises(EngineError, match=r"pip install 'eecompile\[tensorrt\]'"):
            use(OPTIONS)


def test_a_library_that_does_not_start(monkeypatch, tmp_path):
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    reason = TensorRtBackend().probe().reason
    assert reason.startswith("tensorrt is installed but does not start: libnvinfer.so.10: cannot open")


def test_a_card_that_is_here(machine):
    capability = machine("10.4.0", (7, 0)).probe()
    assert capability.ok
    assert capability.precisions == {"float32", "float16", "int8"}
    assert machine("8.6.1", (6, 0)).probe().precisions == {"float32", "float16"}


def test_no_driver_and_no_card(machine):
    backend = machine("11.4.0.106", None)
    assert backend.probe() == Capability(ok=False, reason="no driver: install one")
    assert "here is no GPU" in backend.probe_build((7, 5)).reason


def test_versions_that_have_dropped_the_card_say_which_has_not(machine):
    assert "pip install 'tensorrt==8.6.1'" in machine("10.4.0", (6, 0)).probe().reason
    assert "pip install 'tensorrt==10.4.0'" in machine("11.4.0", (7, 0)).probe_build((7, 0)).reason
    with pytest.raises(EngineError, match=r"tensorrt==10\.4\.0"):
        machine("11.4.0", (7, 0)).build(b"", OPTIONS, lambda _: None)


def test_identity_names_card_and_driver(machine):
    identity = machine("11.4.0.106", (9, 0), name="NVIDIA H200").identity(OPTIONS)
    assert identity == {
        "TensorRT": "11.4.0.106",
        "compute capability": "9.0",
        "GPU": "NVIDIA H200",
        "driver": "580.65",
    }
    changed = machine("11.4.0.106", (9, 0), name="NVIDIA H200", driver="590.1").identity(OPTIONS)
    assert changed != identity
