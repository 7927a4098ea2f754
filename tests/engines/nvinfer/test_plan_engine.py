"""Loading and binding. No GPU is needed to see what is asked of the library, in which order, with which version."""

import gc
import weakref
from types import ModuleType, SimpleNamespace

import pytest
from required import require_rtx

from eengines.device_engine import Plan, PlanOptions
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError
from eengines.nvinfer import api, api_of_some
from eengines.nvinfer.build_plan import PlanBuilder
from eengines.nvinfer.offers import members
from eengines.nvinfer.plan_engine import PlanEngine, load_plan
from eengines.tensors import TensorSpec

BUCKETS = (1, 8)
WORKSPACE = {0: 512, 1: 4096}
ADDRESSES = {"x": 0x1000, "y": 0x2000, "score": 0x3000}
VERSIONS = ("8.6", "10.4", "RTX")


class Stream:
    handle = 77

    def __init__(self, calls):
        self.calls = calls

    def synchronize(self):
        self.calls.append(("synchronize",))


class Number(int):
    """A value of an enum: a number with a name."""

    def __new__(cls, value, name):
        made = super().__new__(cls, value)
        made.name = name
        return made


def make_library(version, calls, *, fail=None):
    """Classes with the members that a version has, which remember how they are called; `fail`: what returns False."""

    def remember(name, result=True):
        def call(_self, *arguments):
            calls.append((name, *arguments))
            return (
                result if name != fail else (["x"] if name == "infer_shapes" else None if result is not True else False)
            )

        return call

    shapes = {"x": (3, 4), "y": (5,), "score": ()}
    context = {
        name: remember(name) for name in ("set_optimization_profile_async", "set_input_shape", "set_tensor_address")
    }
    context |= {"execute_async_v3": remember("execute_async_v3"), "infer_shapes": remember("infer_shapes", [])}
    context["get_tensor_shape"] = lambda self, name: (self.rows, *shapes[name])
    context["rows"] = 8
    if version == "8.6":
        context["device_memory"] = property(lambda _: 0, lambda _, value: calls.append(("device_memory", value)))
    else:
        context["set_device_memory"] = remember("set_device_memory")
    if version == "RTX":
        context["is_stream_capturable"] = remember("is_stream_capturable")
    context_class = type("IExecutionContext", (), context)

    def make_context(_self, *arguments):
        calls.append(("create", *arguments))
        return None if fail == "create" else context_class()

    modes = {"x": Number(1, "INPUT"), "y": Number(2, "OUTPUT"), "score": Number(2, "OUTPUT")}
    kinds = {"x": "UINT8", "y": "HALF", "score": "FLOAT"}
    engine = {
        "num_io_tensors": 3,
        "num_optimization_profiles": 2,
        "get_tensor_name": lambda _, index: list(shapes)[index],
        "get_tensor_mode": lambda _, name: modes[name],
        "get_tensor_dtype": lambda _, name: Number(0, kinds[name]),
        "get_tensor_shape": lambda _, name: (-1, *shapes[name]),
        "get_tensor_profile_shape": lambda _, name, profile: [(BUCKETS[profile], *shapes[name])] * 3,
    }
    module = {"TensorIOMode": type("Mode", (), {"INPUT": Number(1, "INPUT"), "OUTPUT": Number(2, "OUTPUT")})}
    if version == "8.6":
        engine |= {"create_execution_context_without_device_memory": make_context, "device_memory_size": 4096}
    else:
        engine["create_execution_context"] = make_context
        engine["get_device_memory_size_for_profile_v2"] = lambda _, profile: WORKSPACE[profile]
        module["ExecutionContextAllocationStrategy"] = type("Strategy", (), {"USER_MANAGED": "USER_MANAGED"})
    if version == "RTX":
        config = {"set_execution_context_allocation_strategy": remember("strategy"), "cuda_graph_strategy": None}
        engine["create_runtime_config"] = type("IRuntimeConfig", (), config)
        module["CudaGraphStrategy"] = type("Graphs", (), {"DISABLED": "DISABLED"})
    library = ModuleType("tensorrt")
    vars(library).update(module)
    return library, type("ICudaEngine", (), engine)()


def opened(version, bucket=8, *, fail=None, addresses=ADDRESSES, workspace=0x4000):
    calls = []
    trt, engine = make_library(version, calls, fail=fail)
    plan = PlanEngine(trt, "TensorRT", object(), engine)
    return plan, calls, plan.open(bucket, addresses, workspace=workspace, stream=Stream(calls))


def test_the_library_of_this_test_has_no_name_that_the_contract_has_not():
    kinds = [getattr(api, name) for name in ("IExecutionContext", "ICudaEngine")] + list(api_of_some.HAVE)
    known = {name for kind in kinds for name in members(kind)}
    for version in VERSIONS:
        _, engine = make_library(version, [])
        assert {name for name in vars(type(engine)) if not name.startswith("_")} <= known


@pytest.mark.parametrize("version", VERSIONS)
def test_specs_and_workspace(version):
    plan, _, _ = opened(version)
    assert plan.inputs == (TensorSpec(name="x", dtype="uint8", shape=(3, 4)),)
    assert plan.outputs == (
        TensorSpec(name="y", dtype="float16", shape=(5,)),
        TensorSpec(name="score", dtype="float32", shape=()),
    )
    assert plan.workspace_bytes(8) == 4096
    assert plan.workspace_bytes(1) == (4096 if version == "8.6" else 512)


@pytest.mark.parametrize("version", VERSIONS)
def test_profile_then_shapes_and_addresses_then_memory_then_the_stream_is_waited_for(version):
    _, calls, _ = opened(version)
    names = [call[0] for call in calls]
    assert names.index("create") < names.index("set_optimization_profile_async") < names.index("set_input_shape")
    assert ("set_optimization_profile_async", 1, Stream.handle) in calls
    assert ("set_input_shape", "x", (8, 3, 4)) in calls
    assert {call[1:] for call in calls if call[0] == "set_tensor_address"} == set(ADDRESSES.items())
    memory = ("device_memory", 0x4000) if version == "8.6" else ("set_device_memory", 0x4000, 4096)
    assert calls.index(memory) > names.index("infer_shapes")
    assert calls[-1] == ("synchronize",)


def test_memory_is_the_callers_and_rtx_records_no_graphs_of_its_own():
    _, calls, _ = opened("10.4")
    assert ("create", "USER_MANAGED") in calls
    _, calls, _ = opened("RTX")
    assert ("strategy", "USER_MANAGED") in calls
    (config,) = next(call[1:] for call in calls if call[0] == "create")
    assert config.cuda_graph_strategy == "DISABLED"


@pytest.mark.parametrize("version", VERSIONS)
def test_enqueue_and_capture(version):
    _, calls, session = opened(version)
    session.enqueue(SimpleNamespace(handle=5))
    assert calls[-1] == ("execute_async_v3", 5)
    assert session.capturable
    assert (("is_stream_capturable", Stream.handle) in calls) == (version == "RTX")


def test_a_session_keeps_its_engine_alive():
    plan, _, session = opened("10.4")
    alive = weakref.ref(plan)
    del plan
    gc.collect()
    assert alive() is not None
    del session
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize(
    "fail",
    ["create", "set_optimization_profile_async", "set_input_shape", "set_tensor_address", "infer_shapes"],
)
def test_whatever_the_library_does_not_take_is_an_error(fail):
    with pytest.raises(EngineError, match="bucket 8: TensorRT does not bind it"):
        opened("10.4", fail=fail)


def test_shapes_that_come_out_otherwise_are_an_error():
    with pytest.raises(EngineError, match="bucket 1: TensorRT does not bind it"):
        opened("10.4", bucket=1)  # the context of this test always has 8 rows


def test_an_enqueue_that_fails():
    _, _, session = opened("10.4", fail="execute_async_v3")
    with pytest.raises(EngineError, match="TensorRT: it did not enqueue"):
        session.enqueue(SimpleNamespace(handle=5))


def test_bindings_that_do_not_fit():
    with pytest.raises(EngineError, match="got 4, the plan has 1, 8"):
        opened("10.4", bucket=4)
    with pytest.raises(EngineError, match="tensor 'score': no address was given"):
        opened("10.4", addresses={"x": 0, "y": 0})
    with pytest.raises(EngineError, match="tensor 'y': got address 8200, expected a multiple of 256"):
        opened("10.4", addresses={**ADDRESSES, "y": 0x2008})
    with pytest.raises(EngineError, match="tensor 'workspace': got address 1"):
        opened("10.4", workspace=1)


@pytest.mark.parametrize("content", [None, b"no plan at all", b""])
def test_a_plan_that_is_refused_names_the_library_and_the_reason(content, graphs):
    """For real: here is no driver, so that even a good plan is refused."""
    trt = require_rtx()
    if content is None:
        from eengines.devices.cuda import probe_cuda

        if probe_cuda().ok:
            pytest.skip("here is a GPU, which takes the plan")
        options = PlanOptions(buckets=(1,))
        content = (
            PlanBuilder(trt=trt, title="RTX", card=(8, 0)).build(graphs.convolutions(), options, lambda _: None).content
        )
    with pytest.raises(EngineError, match=r"plan: RTX 1\.\d.* refuses it on .*: .+ build the plan again"):
        load_plan(trt, "RTX", Plan(content=content), CpuDevice(seed=0))
