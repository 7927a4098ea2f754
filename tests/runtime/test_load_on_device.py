"""`eerun.load` on a device: the host's engines on a CPU device, and configurations of cards."""

import logging
import shutil
from itertools import pairwise

import numpy as np
import pytest
from plans_of_the_host import NAME, CpuCard, PlansOfTheHost

import eerun
from eengines.backends import DEVICE_BACKENDS
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError, InputError, UserError
from eerun.bundle import DeviceEntry, PolicyFile, amend_bundle, open_bundle
from eerun.choose_configuration import choose_configuration
from eerun.device_configuration import DeviceConfiguration, HostOnDevice
from eerun.device_settings import DeviceSettings


class OnCard:
    """An array of a card, as pycuda, cupy and torch show theirs."""

    def __init__(self, array, device):
        self._memory = device.memory(array.nbytes)
        self._memory.array[:] = array.reshape(-1).view(np.uint8)
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (self._memory.address, False),
            "version": 3,
        }


@pytest.fixture
def card_bundle(tiny_bundle, tmp_path, monkeypatch):
    """The tiny bundle with a configuration that was measured on a T4."""
    monkeypatch.setitem(DEVICE_BACKENDS, NAME, "plans_of_the_host:PlansOfTheHost")
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    bundle = open_bundle(path)
    first = bundle.manifest.configurations[0]
    device = DeviceEntry(
        name=CpuCard.name, compute_capability="7.5", expected_us=1.5, workspace_bytes=None, optimisation_level=None
    )
    fields = {name: getattr(first, name) for name in ("precision", "segments", "whole", "agreement")}
    added = type(first)(**fields, engine=NAME, policy="policy/card.json", costs="costs/card.json", device=device)
    files = {
        "policy/card.json": PolicyFile(policy=bundle.policy(first).policy, thresholds=bundle.policy(first).thresholds),
        "costs/card.json": bundle.costs(first),
    }
    amend_bundle(path, lambda manifest: (added, *manifest.configurations), files)
    return path


@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("device_exits", [False, True])
def test_a_cpu_device_answers_like_the_host(tiny_bundle, in_flight, device_exits):
    host = eerun.load(tiny_bundle.path, engine="onnxruntime")
    model = eerun.load(
        tiny_bundle.path,
        engine="onnxruntime",
        device=CpuDevice(seed=in_flight),
        in_flight=in_flight,
        device_exits=device_exits,
    )
    here, there = host.infer(tiny_bundle.x), model.infer(tiny_bundle.x)
    assert len(set(here.exit_index)) == 2
    assert (there.exit_index == here.exit_index).all()
    assert (there.labels == here.labels).all()
    assert np.allclose(there.outputs, here.outputs, atol=1e-5)
    assert np.allclose(there.confidence, here.confidence, atol=1e-5)
    assert [sum(step.left for step in part) for part in there.steps] == [
        min(8, len(tiny_bundle.x) - start) for start in range(0, len(tiny_bundle.x), 8)
    ]
    assert (model.infer(tiny_bundle.x, exits=False).exit_index == 1).all()


def test_arrays_of_the_device_enter_without_the_host(tiny_bundle):
    device = CpuDevice(seed=5)
    model = eerun.load(tiny_bundle.path, engine="onnxruntime", device=device)
    x = np.ascontiguousarray(tiny_bundle.x[:21])
    assert (model.infer(OnCard(x, device)).labels == model.infer(x).labels).all()
    with pytest.raises(InputError, match=r"got float64, expected float32 \[batch, 24\]"):
        model.infer(OnCard(x.astype(np.float64), device))
    with pytest.raises(InputError, match=r"got float32 \[21, 23\]"):
        model.infer(OnCard(np.ascontiguousarray(x[:, 1:]), device))
    turned = OnCard(x, device)
    turned.__cuda_array_interface__["strides"] = (4, 84)
    with pytest.raises(InputError, match="Make it contiguous"):
        model.infer(turned)


def test_arrays_of_a_device_are_refused_by_the_host(tiny_bundle):
    with pytest.raises(InputError, match="got OnCard, expected an array"):
        eerun.load(tiny_bundle.path).infer(OnCard(tiny_bundle.x, CpuDevice()))


def test_a_configuration_of_the_card_runs_from_plans(card_bundle, tiny_bundle, monkeypatch):
    monkeypatch.setattr(PlansOfTheHost, "built", 0)
    way = choose_configuration(open_bundle(card_bundle), device=DeviceSettings(device=CpuCard()))
    assert isinstance(way, DeviceConfiguration)
    assert way.entry.name == f"{NAME}-float32-nvidia-t4"
    model = eerun.load(card_bundle, device=CpuCard(seed=1))
    assert (model.engine, model.precision) == (NAME, "float32")
    assert PlansOfTheHost.built == 2
    expected = eerun.load(tiny_bundle.path, engine="onnxruntime").infer(tiny_bundle.x)
    assert (model.infer(tiny_bundle.x).exit_index == expected.exit_index).all()
    eerun.load(card_bundle, device=CpuCard())
    assert PlansOfTheHost.built == 2


def test_a_stale_plan_is_built_again_with_one_line(card_bundle, monkeypatch, caplog):
    eerun.load(card_bundle, device=CpuCard())
    monkeypatch.setattr(PlansOfTheHost, "version", "2.0")
    with caplog.at_level(logging.INFO, "eengines"):
        eerun.load(card_bundle, device=CpuCard())
    assert "plans of the host 1.0" in caplog.text
    assert "2.0" in caplog.text
    assert caplog.text.count("building again") == 2


def test_another_card_falls_back_and_says_so(card_bundle, caplog):
    card = CpuCard()
    card.name = "NVIDIA H200"
    with caplog.at_level(logging.WARNING, "eerun"):
        way = choose_configuration(open_bundle(card_bundle), device=DeviceSettings(device=card))
    assert way.engine == "onnxruntime"
    assert "measured on NVIDIA T4, here is NVIDIA H200" in caplog.text


def test_an_engine_of_cards_that_nobody_measured(tiny_bundle):
    with pytest.raises(EngineError, match=r"Run `eecompile engines tiny\.ee --engine tensorrt`"):
        eerun.load(tiny_bundle.path, engine="tensorrt")


def test_a_gpu_number_alone_leaves_the_cpu_configurations_alone(tiny_bundle):
    way = choose_configuration(open_bundle(tiny_bundle.path), device=DeviceSettings(device=0))
    assert not isinstance(way, HostOnDevice)


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"in_flight": 0}, "--in-flight"),
        ({"in_flight": "2"}, "--in-flight"),
        ({"in_flight": 1.5}, "--in-flight"),
        ({"device": -1}, "--device"),
        ({"device": "cuda"}, "--device"),
        ({"device": None}, "--device"),
        ({"device": True}, "--device"),
    ],
)
def test_settings_are_checked(settings, flag):
    with pytest.raises(UserError, match=flag):
        DeviceSettings(**settings)


def test_settings_of_a_gpu_that_do_nothing_are_said(tiny_bundle, caplog):
    with caplog.at_level(logging.WARNING, "eerun"):
        eerun.load(tiny_bundle.path, device=3, device_exits=True)
    assert "--device, --device-exits: not used, onnxruntime float32 runs on the CPU" in caplog.text
    caplog.clear()
    eerun.load(tiny_bundle.path)
    assert caplog.text == ""


def test_plans_are_kept_in_the_bundle(card_bundle):
    eerun.load(card_bundle, device=CpuCard())
    assert any(path.is_file() for path in (card_bundle / "engines").rglob("*"))
    open_bundle(card_bundle).verify_files()


def test_plans_of_a_bundle_that_cannot_be_written_are_kept_by_the_user(card_bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("EECOMPILE_CACHE", str(tmp_path / "mine"))
    monkeypatch.setattr("eerun.plans.os.access", lambda *_: False)
    eerun.load(card_bundle, device=CpuCard())
    assert not (card_bundle / "engines").exists()
    assert any(path.is_file() for path in (tmp_path / "mine").rglob("*"))


@pytest.mark.parametrize("on", ["host", "device"])
def test_answers_are_timed_from_the_start_of_the_call(tiny_bundle, on):
    where = {} if on == "host" else {"device": CpuDevice(seed=2), "in_flight": 2}
    result = eerun.load(tiny_bundle.path, engine="onnxruntime", **where).infer(tiny_bundle.x[:40])
    last = [part[-1] for part in result.steps]
    assert len(last) == 5
    assert all(first.answered_ns <= second.answered_ns for part in result.steps for first, second in pairwise(part))
    assert last[-1].answered_ns > last[0].answered_ns
    assert last[-1].answered_ns > sum(step.run_ns for step in result.steps[-1])
