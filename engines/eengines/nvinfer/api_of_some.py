"""The part of the Python API that only some versions have.

Each class is one thing that a version offers or not. `HAVE` says which do, and a test holds that against the bindings;
it decides nothing: `differences.py` looks at the module that it is given.
"""
# ruff: noqa: D102 - the names are the library's, and so is the documentation

from collections.abc import Mapping
from typing import Protocol

from eengines.nvinfer import api

__all__ = [
    "HAVE",
    "V8_6",
    "V10_4",
    "V11_4",
    "AllocationStrategies",
    "AllocationStrategy",
    "CudaGraphStrategies",
    "ExplicitBatch",
    "MemoryByEngine",
    "MemoryByProfile",
    "MemoryContext",
    "MemoryOldContext",
    "Monitor",
    "MonitoredConfig",
    "Monitors",
    "NamedError",
    "OtherCards",
    "OtherCardsConfig",
    "PinnedLayer",
    "PreviewFeatures",
    "ProfileSharing",
    "ProfileSharingConfig",
    "Rtx",
    "RtxConfig",
    "RtxContext",
    "RtxEngine",
    "StrongTyping",
    "UserAllocation",
    "WeakTyping",
]


class ExplicitBatch(Protocol):
    """Networks with a batch axis must be asked for."""

    EXPLICIT_BATCH: api.NetworkDefinitionCreationFlag


class StrongTyping(Protocol):
    """Networks whose types are those of the graph may (10) or must (11) be asked for."""

    STRONGLY_TYPED: api.NetworkDefinitionCreationFlag


class WeakTyping(Protocol):
    """The builder chooses types among those that are allowed."""

    FP16: api.BuilderFlag
    INT8: api.BuilderFlag
    PREFER_PRECISION_CONSTRAINTS: api.BuilderFlag


class PinnedLayer(Protocol):
    """A layer whose type can be fixed."""

    precision: api.DataType

    def set_output_type(self, index: int, dtype: api.DataType) -> None: ...


class UserAllocation(Protocol):
    """Plans that never allocate while they run."""

    REQUIRE_USER_ALLOCATION: api.BuilderFlag


class ProfileSharing(api.Enum, Protocol):
    """Several contexts may use one profile; later versions always allow it."""

    PROFILE_SHARING_0806: "ProfileSharing"


class PreviewFeatures(Protocol):
    """Features that must be asked for."""

    PreviewFeature: type[ProfileSharing]


class ProfileSharingConfig(Protocol):
    """Where features are asked for."""

    def set_preview_feature(self, feature: ProfileSharing, enable: bool) -> None: ...


class Monitor(Protocol):
    """Base of progress monitors."""

    def phase_finish(self, phase_name: str) -> None: ...
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None: ...
    def step_complete(self, phase_name: str, step: int) -> bool: ...


class Monitors(Protocol):
    """A library whose builds can be watched, and ended."""

    IProgressMonitor: type[Monitor]


class MonitoredConfig(Protocol):
    """Where the monitor goes."""

    progress_monitor: Monitor


class NamedError(Protocol):
    """A parser error that knows its node by name."""

    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...


class OtherCards(Protocol):
    """Cards that plans can be built for without them."""

    SM75: "OtherCards"
    __members__: "Mapping[str, OtherCards]"


class OtherCardsConfig(Protocol):
    """Where the cards are named."""

    num_compute_capabilities: int

    def set_compute_capability(self, compute_capability: OtherCards, index: int) -> bool: ...


class AllocationStrategy(Protocol):
    """Who owns the memory of a context."""

    USER_MANAGED: "AllocationStrategy"


class AllocationStrategies(Protocol):
    """A library where the caller may own it."""

    ExecutionContextAllocationStrategy: type[AllocationStrategy]


class MemoryOldContext(api.IExecutionContext, Protocol):
    """A context that takes its memory without its size."""

    device_memory: int


class MemoryContext(api.IExecutionContext, Protocol):
    """A context that takes its memory with its size."""

    def set_device_memory(self, memory: int, size: int) -> None: ...


class MemoryByEngine(Protocol):
    """Memory of the largest profile, for all."""

    device_memory_size: int

    def create_execution_context_without_device_memory(self) -> MemoryOldContext | None: ...


class MemoryByProfile(Protocol):
    """Memory by profile."""

    def create_execution_context(self, strategy: AllocationStrategy) -> MemoryContext | None: ...
    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int: ...


class CudaGraphStrategy(Protocol):
    """Whether TensorRT for RTX records CUDA graphs of its own."""

    DISABLED: "CudaGraphStrategy"


class CudaGraphStrategies(Protocol):
    """A library that may do so."""

    CudaGraphStrategy: type[CudaGraphStrategy]


class RtxConfig(Protocol):
    """How a context of TensorRT for RTX runs."""

    cuda_graph_strategy: CudaGraphStrategy

    def set_execution_context_allocation_strategy(self, strategy: AllocationStrategy) -> None: ...


class RtxEngine(Protocol):
    """An engine whose contexts are made with it; 11.4 has the same without graphs."""

    def create_execution_context(self, runtime_config: RtxConfig) -> MemoryContext | None: ...
    def create_runtime_config(self) -> RtxConfig: ...


class RtxContext(Protocol):
    """A context that knows whether it can be recorded."""

    def is_stream_capturable(self, stream: int) -> bool: ...


class Rtx(Protocol):
    """TensorRT for RTX."""

    ComputeCapability: type[OtherCards]


V8_6, V10_4, V11_4, RTX = "8.6.1", "10.4.0", "11.4.0", "RTX 1.7"

HAVE: Mapping[type, tuple[str, tuple[str, ...]]] = {
    ExplicitBatch: ("NetworkDefinitionCreationFlag", (V8_6, V10_4)),
    StrongTyping: ("NetworkDefinitionCreationFlag", (V10_4, V11_4, RTX)),
    WeakTyping: ("BuilderFlag", (V8_6, V10_4)),
    PinnedLayer: ("ILayer", (V8_6, V10_4)),
    UserAllocation: ("BuilderFlag", (RTX,)),
    ProfileSharing: ("PreviewFeature", (V8_6, V10_4)),
    PreviewFeatures: ("", (V8_6, V10_4, V11_4, RTX)),
    ProfileSharingConfig: ("IBuilderConfig", (V8_6, V10_4, V11_4, RTX)),
    Monitor: ("IProgressMonitor", (V10_4, V11_4, RTX)),
    Monitors: ("", (V10_4, V11_4, RTX)),
    MonitoredConfig: ("IBuilderConfig", (V10_4, V11_4, RTX)),
    NamedError: ("ParserError", (V10_4, V11_4, RTX)),
    OtherCards: ("ComputeCapability", (RTX,)),
    OtherCardsConfig: ("IBuilderConfig", (RTX,)),
    AllocationStrategy: ("ExecutionContextAllocationStrategy", (V10_4, V11_4, RTX)),
    AllocationStrategies: ("", (V10_4, V11_4, RTX)),
    MemoryOldContext: ("IExecutionContext", (V8_6, V10_4, V11_4, RTX)),
    MemoryContext: ("IExecutionContext", (V10_4, V11_4, RTX)),
    MemoryByEngine: ("ICudaEngine", (V8_6, V10_4)),
    MemoryByProfile: ("ICudaEngine", (V10_4, V11_4, RTX)),
    CudaGraphStrategy: ("CudaGraphStrategy", (RTX,)),
    CudaGraphStrategies: ("", (RTX,)),
    RtxConfig: ("IRuntimeConfig", (RTX,)),
    RtxEngine: ("ICudaEngine", (V11_4, RTX)),
    RtxContext: ("IExecutionContext", (RTX,)),
    Rtx: ("", (RTX,)),
}
"""Class here → where its members are in the library (empty: the module), and the versions that have them all."""
