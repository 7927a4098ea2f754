"""A graph in ONNX Runtime that is bound to addresses and enqueued on a stream.

A session of ONNX Runtime is tied to one stream for life, so there is one for each stream that is opened, and the
weights are on the device once for each of them.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eengines.backends.external_weights import refuse_external_weights
from eengines.backends.onnxruntime import DTYPES, failures, session_options, tensor_spec
from eengines.device import Stream
from eengines.errors import EngineError
from eengines.tensors import TensorSpec

__all__ = ["Provider", "StreamEngine", "StreamSession"]

WHERE = "ONNX Runtime"

BFLOAT16 = 16
"""`TensorProto.BFLOAT16`: numpy has no such type, and a binding takes ONNX's number in its place."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What of ONNX Runtime computes, and where its memory is.

    Attributes:
        name: as ONNX Runtime calls it.
        memory: ONNX Runtime's name of the kind of memory that is bound, such as `cuda`.
        ordinal: number of the device.
        options: the provider's, given the handle of the stream.
        exclusive: whether a graph is refused if this provider cannot run all of it.
        package: what pip takes to install it with the libraries that it needs.
    """

    name: str
    memory: str
    ordinal: int
    options: Callable[[int], Mapping[str, str]]
    exclusive: bool
    package: str


class StreamEngine:
    """One graph; a session of ONNX Runtime for each stream.

    Args:
        graph: the serialized graph.
        provider: what runs it.

    Raises:
        EngineError: the bytes are no graph, weights are outside, or an input or output cannot be bound.
    """

    def __init__(self, graph: bytes, provider: Provider) -> None:
        refuse_external_weights(graph, "segment")
        self._graph = graph
        self._provider = provider
        self._inputs, self._outputs = _read_specs(graph)
        self._sessions: dict[int, tuple[Any, Stream]] = {}  # a stream that is kept alive keeps its handle
        self._lock = threading.Lock()

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The graph's inputs, in its order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs, in its order."""
        return self._outputs

    def workspace_bytes(self, bucket: int) -> int:  # noqa: ARG002 - the same for all
        """See `DeviceEngine.workspace_bytes`: 0, ONNX Runtime has an arena for each stream."""
        return 0

    def open(self, bucket: int, addresses: Mapping[str, int], *, workspace: int, stream: Stream) -> "StreamSession":  # noqa: ARG002 - no workspace
        """See `DeviceEngine.open`; any bucket will do. The first one of a stream loads the weights."""
        if bucket < 1:
            raise EngineError(WHERE, f"got a bucket of {bucket}, expected at least 1", "Open a bucket with rows")
        missing = [spec.name for spec in (*self._inputs, *self._outputs) if spec.name not in addresses]
        if missing:
            raise EngineError(f"tensor {missing[0]!r}", "no address was given for it", "Bind every input and output")
        session = self._session(stream)
        binding = session.io_binding()
        memory = (self._provider.memory, self._provider.ordinal)
        for specs, bind in ((self._inputs, binding.bind_input), (self._outputs, binding.bind_output)):
            for spec in specs:
                kind = BFLOAT16 if spec.dtype == "bfloat16" else spec.storage
                bind(spec.name, *memory, kind, (bucket, *spec.shape), addresses[spec.name])
        return StreamSession(session, binding, stream)

    def _session(self, stream: Stream) -> Any:
        with self._lock:
            if stream.handle not in self._sessions:
                self._sessions[stream.handle] = (_open_session(self._graph, self._provider, stream.handle), stream)
            return self._sessions[stream.handle][0]


class StreamSession:
    """One IO binding.

    `capturable` is false: a run takes memory from an arena and gives it back, which a recorded graph would use again
    after others have it; when the arena grows, it calls `cudaMalloc`, which a capture forbids.
    """

    capturable = False

    def __init__(self, session: Any, binding: Any, stream: Stream) -> None:
        import onnxruntime

        self._run = session.run_with_iobinding
        self._binding = binding
        self._handle = stream.handle
        self._options = onnxruntime.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._failures = _failures()

    def enqueue(self, stream: Stream) -> None:
        """See `DeviceSession.enqueue`. A bucket's first run takes longer: kernels are searched."""
        if stream.handle != self._handle:
            raise EngineError(WHERE, "got another stream than it was opened for", "Open a session for each stream")
        try:
            self._run(self._binding, self._options)
        except self._failures as error:
            raise EngineError(WHERE, str(error), "Check the memory of the device, or build the bundle again") from error


def _read_specs(graph: bytes) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Read inputs and outputs without initializing a session: that would put the weights somewhere."""
    from onnxruntime.capi.onnxruntime_pybind11_state import InferenceSession

    dtypes = {**DTYPES, "tensor(bfloat16)": "bfloat16"}
    try:
        session = InferenceSession(session_options(None), graph, False, False)
    except failures() as error:
        raise EngineError("segment", f"ONNX Runtime refuses the graph: {error}", "Build the bundle again") from error
    inputs, outputs = (
        tuple(tensor_spec(value, dtypes) for value in values) for values in (session.inputs_meta, session.outputs_meta)
    )
    return inputs, outputs


def _open_session(graph: bytes, provider: Provider, stream: int) -> Any:
    """Make a session that computes with the provider alone."""
    import onnxruntime

    def make(*, exclusive: bool) -> Any:
        options = session_options(None)
        if exclusive:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        providers = [(provider.name, dict(provider.options(stream)))]
        return onnxruntime.InferenceSession(graph, options, providers=providers, enable_fallback=0)

    refusals = _failures()
    try:
        return make(exclusive=provider.exclusive)
    except refusals as error:
        # a provider that does not start is passed over silently, and its graph then refused like one that it cannot run
        with contextlib.suppress(*refusals):
            if provider.name not in make(exclusive=False).get_providers():
                problem = f"{provider.name} does not start: libraries that it needs are missing or of other versions"
                remedy = f"pip install '{provider.package}'; ONNX Runtime has logged what is missing"
                raise EngineError(WHERE, problem, remedy) from error
        remedy = "Operators that it has no kernel for are not run elsewhere: choose another with --engine"
        raise EngineError("segment", f"ONNX Runtime refuses the graph: {error}", remedy) from error


def _failures() -> tuple[type[Exception], ...]:
    """A run with a binding raises `RuntimeError`, whatever has failed."""
    return (*failures(), RuntimeError)
