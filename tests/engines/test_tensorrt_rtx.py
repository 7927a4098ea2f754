"""The backend of TensorRT for RTX, as others use it."""

import pytest
from emulated_cuda import SOURCE, run_emulated
from onnx import TensorProto, helper
from required import require_rtx

from eengines.backends import find_device_backend
from eengines.device_engine import PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.devices.cuda import probe_cuda
from eengines.errors import EngineError

require_rtx()


@pytest.fixture(scope="module")
def backend():
    return find_device_backend("tensorrt_rtx")


def graph() -> bytes:
    made = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()


def test_plans_for_cards_that_are_not_here(backend):
    assert backend.name == "tensorrt_rtx"
    assert backend.has_plans
    capability = backend.probe_build((8, 9))
    assert capability.ok
    assert "sm_89" in capability.reason
    assert "int8" in capability.precisions
    plan = backend.build(graph(), PlanOptions(buckets=(1, 2), compute_capability=(8, 9)), lambda _: None)
    assert len(plan.content) > 1000


def test_cards_that_it_does_not_build_for(backend):
    for card in ((6, 0), (7, 0), (9, 0), (10, 0)):
        capability = backend.probe_build(card)
        assert not capability.ok
        assert "Use --engine tensorrt for that card" in capability.reason
        with pytest.raises(EngineError, match="does not build for"):
            backend.build(graph(), PlanOptions(buckets=(1,), compute_capability=card), lambda _: None)


def test_identity_is_that_of_the_target_and_not_of_this_machine(backend):
    import tensorrt_rtx

    identity = backend.identity(PlanOptions(buckets=(1,), compute_capability=(7, 5)))
    assert identity == {"TensorRT for RTX": tensorrt_rtx.__version__, "compute capability": "7.5"}


def test_without_a_gpu_a_card_must_be_named(backend):
    here = probe_cuda()
    if here.ok:
        pytest.skip("here is a GPU")
    assert backend.probe().reason == here.reason
    assert not backend.probe().ok
    assert "Name a card with --target" in backend.probe_build(None).reason
    for use in (backend.identity, lambda options: backend.build(graph(), options, lambda _: None)):
        with pytest.raises(EngineError, match="there is no GPU here, and none was named to build for"):
            use(PlanOptions(buckets=(1,)))


def test_a_plan_that_is_none_is_refused(backend):
    from eengines.device_engine import Plan

    with pytest.raises(EngineError, match=r"plan: TensorRT for RTX .* refuses it on"):
        backend.load(Plan(content=b"nothing"), CpuDevice(seed=0))


def test_a_missing_library_names_the_extra(backend, monkeypatch):
    monkeypatch.setattr("eengines.nvinfer.library.find_spec", lambda _: None)
    for capability in (backend.probe(), backend.probe_build((8, 0))):
        assert not capability.ok
        assert capability.reason == "tensorrt_rtx is not installed: pip install 'eecompile[rtx]'"
    with pytest.raises(EngineError, match=r"pip install 'eecompile\[rtx\]'"):
        backend.build(graph(), PlanOptions(buckets=(1,), compute_capability=(8, 0)), lambda _: None)


def test_the_gpu_of_its_number_is_meant():
    """Two different cards of an emulated driver; nothing is built there."""
    same = 'setting("EMULATOR_CAPABILITY", 75)'
    source = SOURCE.read_text().replace(same, "device ? 89 : 75")
    assert source != SOURCE.read_text()
    program = (
        "from eengines.backends import find_device_backend\n"
        "from eengines.device_engine import PlanOptions\n"
        "for ordinal in (0, 1, 2):\n"
        "    backend = find_device_backend('tensorrt_rtx', ordinal=ordinal)\n"
        "    print(backend.probe().reason)\n"
        "    if backend.probe().ok:\n"
        "        print(backend.identity(PlanOptions(buckets=(1,)))['compute capability'])\n"
    )
    done = run_emulated(program, source=source, EMULATOR_DEVICES="2")
    said = done.stdout.splitlines()
    assert len(said) == 5, done.stderr
    assert (said[0][-5:], said[1]) == ("sm_75", "7.5")
    assert (said[2][-5:], said[3]) == ("sm_89", "8.9")
    assert said[4].startswith("got GPU 2, there are 2: 0 to 1")
