"""A plan on a device: its tensors, its contexts."""

from collections.abc import Mapping

from eengines.device import Device, Stream
from eengines.device_engine import Plan
from eengines.errors import EngineError
from eengines.nvinfer import api
from eengines.nvinfer.differences import is_capturable, open_context, set_workspace, workspace_bytes
from eengines.nvinfer.library_api import TensorRt
from eengines.nvinfer.messages import last_message, logger_of, messages
from eengines.tensors import TensorSpec

__all__ = ["PlanEngine", "PlanSession", "load_plan"]

ALIGNMENT = 256

DTYPES: Mapping[str, str] = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}
"""The library's names of element types that cross between segments → ours."""


def load_plan(trt: TensorRt, title: str, plan: Plan, device: Device) -> "PlanEngine":
    """Load a plan on a device.

    Raises:
        EngineError: the library refuses it.
    """
    with device.use(), messages() as heard:
        runtime = trt.Runtime(logger_of(trt))
        engine = runtime.deserialize_cuda_engine(plan.content)
        if engine is None:
            reason = "; ".join(heard.errors).replace("\n", "; ").rstrip(". ") or "it gave no reason"
            raise EngineError(
                "plan",
                f"{title} {trt.__version__} refuses it on {device.name}: {reason}",
                "Check the driver, and build the plan again on this machine",
            )
        return PlanEngine(trt, title, runtime, engine)


class PlanEngine:
    """One plan; its contexts share the weights. It keeps the runtime alive."""

    def __init__(self, trt: TensorRt, title: str, runtime: api.Runtime, engine: api.ICudaEngine) -> None:
        self._trt, self._title, self._runtime, self._engine = trt, title, runtime, engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [name for name in names if int(engine.get_tensor_mode(name)) == int(trt.TensorIOMode.INPUT)]
        self._inputs = tuple(_spec(engine, name) for name in inputs)
        self._outputs = tuple(_spec(engine, name) for name in names if name not in inputs)
        self._profiles = {
            next(iter(engine.get_tensor_profile_shape(inputs[0], profile)[0])): profile
            for profile in range(engine.num_optimization_profiles)
        }

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""
        return self._outputs

    def workspace_bytes(self, bucket: int) -> int:
        """Bytes of activations of a session of this bucket; in 8.6 those of the largest, whichever is asked for."""
        return workspace_bytes(self._engine, self._profile(bucket))

    def open(self, bucket: int, addresses: Mapping[str, int], *, workspace: int, stream: Stream) -> "PlanSession":
        """Bind; see `DeviceEngine.open`. Waits for the stream: setting a profile may copy."""
        profile = self._profile(bucket)
        for name, address in {**self._addresses(addresses), "workspace": workspace}.items():
            if address % ALIGNMENT:
                raise EngineError(
                    f"tensor {name!r}", f"got address {address}, expected a multiple of {ALIGNMENT}", "Align it"
                )
        with messages() as heard:
            context = open_context(self._trt, self._engine)
            if context is None or not self._bind(context, profile, bucket, addresses, stream):
                reason = "; ".join(heard.errors) or "it gave no reason"
                raise EngineError(f"bucket {bucket}", f"{self._title} does not bind it: {reason}", _REMEDY)
            set_workspace(context, workspace, workspace_bytes(self._engine, profile))
        stream.synchronize()
        return PlanSession(self, context, self._title, stream)

    def _profile(self, bucket: int) -> int:
        """Number of the profile of a bucket."""
        if bucket not in self._profiles:
            known = ", ".join(map(str, sorted(self._profiles)))
            raise EngineError("bucket", f"got {bucket}, the plan has {known}", "Build the plan for this bucket")
        return self._profiles[bucket]

    def _addresses(self, addresses: Mapping[str, int]) -> dict[str, int]:
        """Addresses of exactly the plan's tensors."""
        specs = (*self._inputs, *self._outputs)
        missing = [spec.name for spec in specs if spec.name not in addresses]
        if missing:
            raise EngineError(f"tensor {missing[0]!r}", "no address was given for it", "Bind every input and output")
        return {spec.name: addresses[spec.name] for spec in specs}

    def _bind(
        self, context: api.IExecutionContext, profile: int, bucket: int, addresses: Mapping[str, int], stream: Stream
    ) -> bool:
        """Set profile, shapes and addresses; say whether the library took all of them."""
        return (
            context.set_optimization_profile_async(profile, stream.handle)
            and all(context.set_input_shape(spec.name, (bucket, *spec.shape)) for spec in self._inputs)
            and all(context.set_tensor_address(*item) for item in self._addresses(addresses).items())
            and not context.infer_shapes()
            and all(tuple(context.get_tensor_shape(s.name)) == (bucket, *s.shape) for s in self._outputs)
        )


_REMEDY = "Build the plan again, and check that the device has memory left"


class PlanSession:
    """A context bound to addresses. It keeps the engine alive."""

    def __init__(self, engine: PlanEngine, context: api.IExecutionContext, title: str, stream: Stream) -> None:
        self._engine, self._title = engine, title
        self._context = context
        self._execute = context.execute_async_v3
        self._stream = stream

    @property
    def capturable(self) -> bool:
        """Whether `enqueue` may be recorded, after it ran once: the library sets up what it needs in that run."""
        return is_capturable(self._context, self._stream.handle)

    def enqueue(self, stream: Stream) -> None:
        """Enqueue; see `DeviceSession.enqueue`."""
        if not self._execute(stream.handle):
            reason = last_message() or "it gave no reason"
            raise EngineError(self._title, f"it did not enqueue: {reason}", "Check the device, and load the plan again")


def _spec(engine: api.ICudaEngine, name: str) -> TensorSpec:
    """The row of an input or output."""
    kind, shape = engine.get_tensor_dtype(name).name, tuple(engine.get_tensor_shape(name))
    if kind not in DTYPES or not shape or any(size < 0 for size in shape[1:]):
        raise EngineError(
            f"tensor {name!r}",
            f"got {kind} {list(shape)}, expected fixed axes behind the batch",
            "Build the plan again",
        )
    return TensorSpec(name=name, dtype=DTYPES[kind], shape=shape[1:])
