"""The part of TensorRT's Python API that is used here and that every supported version has.

Each class is named as in the library and lists what is read, called or constructed; `api_of_some.py` has what only some
versions offer. The types are the contract: mypy refuses any other attribute, and a test compares every line with the
real bindings of each version.
"""
# ruff: noqa: A002, D102 - the names are the library's, and so is the documentation

from collections.abc import Iterable
from typing import Protocol

from eengines.nvinfer.api_enums import (
    BuilderFlag,
    DataType,
    Enum,
    LayerType,
    LogSeverity,
    MatrixOperation,
    MemoryPoolType,
    NetworkDefinitionCreationFlag,
    TensorIOMode,
)

__all__ = [
    "Builder",
    "BuilderFlag",
    "DataType",
    "Enum",
    "IBuilderConfig",
    "IConvolutionLayer",
    "ICudaEngine",
    "IExecutionContext",
    "IHostMemory",
    "ILayer",
    "ILogger",
    "IMatrixMultiplyLayer",
    "INetworkDefinition",
    "IOptimizationProfile",
    "IShuffleLayer",
    "ITensor",
    "ITimingCache",
    "LayerType",
    "LogSeverity",
    "MatrixOperation",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "OnnxParser",
    "ParserError",
    "Runtime",
    "TensorIOMode",
    "Weights",
]


class ILogger(Protocol):
    """Base of loggers."""

    Severity: type[LogSeverity]

    def log(self, severity: LogSeverity, msg: str, /) -> None: ...


class ITensor(Protocol):
    """A value of a network."""

    name: str
    dtype: DataType
    shape: Iterable[int]


class ILayer(Protocol):
    """An operation of a network."""

    name: str
    type: LayerType
    num_inputs: int
    num_outputs: int

    def get_input(self, index: int) -> ITensor | None: ...
    def get_output(self, index: int) -> ITensor: ...
    def set_input(self, index: int, tensor: ITensor) -> None: ...


class IConvolutionLayer(ILayer, Protocol):
    """A convolution; input 1 is the kernel if that is a tensor."""


class IShuffleLayer(ILayer, Protocol):
    """Transposes, reshapes (0: keep the size), transposes."""

    first_transpose: Iterable[int]
    reshape_dims: Iterable[int]
    second_transpose: Iterable[int]


class IMatrixMultiplyLayer(ILayer, Protocol):
    """A matrix product."""

    op0: MatrixOperation
    op1: MatrixOperation


class Weights(Protocol):
    """Numbers that the library reads but does not own."""


class INetworkDefinition(Protocol):
    """A network that is being defined."""

    num_inputs: int
    num_layers: int
    num_outputs: int

    def add_cast(self, input: ITensor, to_type: DataType) -> ILayer: ...
    def add_convolution_nd(
        self,
        input: ITensor,
        num_output_maps: int,
        kernel_shape: tuple[int, ...],
        kernel: Weights,
        bias: Weights,
    ) -> IConvolutionLayer: ...
    def add_shuffle(self, input: ITensor) -> IShuffleLayer: ...
    def get_input(self, index: int) -> ITensor: ...
    def get_layer(self, index: int) -> ILayer: ...
    def get_output(self, index: int) -> ITensor: ...
    def mark_output(self, tensor: ITensor) -> None: ...
    def unmark_output(self, tensor: ITensor) -> None: ...


class ParserError(Protocol):
    """Why a graph is refused."""

    def desc(self) -> str: ...
    def node(self) -> int: ...


class OnnxParser(Protocol):
    """Reads ONNX into a network; it owns the weights, and must outlive the build."""

    num_errors: int

    def get_error(self, index: int) -> ParserError: ...
    def parse(self, model: bytes) -> bool: ...


class IOptimizationProfile(Protocol):
    """Ranges of the shapes of inputs."""

    def set_shape(self, input: str, min: tuple[int, ...], opt: tuple[int, ...], max: tuple[int, ...]) -> None: ...


class IHostMemory(Protocol):
    """Bytes that the library owns."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class ITimingCache(Protocol):
    """How long each tactic took."""

    def combine(self, input_cache: "ITimingCache", ignore_mismatch: bool) -> bool: ...
    def serialize(self) -> IHostMemory: ...


class IBuilderConfig(Protocol):
    """How a network is built."""

    builder_optimization_level: int

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int: ...
    def clear_flag(self, flag: BuilderFlag) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None: ...
    def get_timing_cache(self) -> ITimingCache | None: ...
    def set_flag(self, flag: BuilderFlag) -> None: ...
    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None: ...
    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool: ...


class Builder(Protocol):
    """Makes networks and builds them."""

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None: ...
    def create_builder_config(self) -> IBuilderConfig: ...
    def create_network(self, flags: int) -> INetworkDefinition: ...
    def create_optimization_profile(self) -> IOptimizationProfile: ...


class IExecutionContext(Protocol):
    """An engine with the state of one run."""

    def execute_async_v3(self, stream_handle: int) -> bool: ...
    def get_tensor_shape(self, name: str) -> Iterable[int]: ...
    def infer_shapes(self) -> list[str]: ...
    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool: ...
    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...


class ICudaEngine(Protocol):
    """A plan that was loaded."""

    num_io_tensors: int
    num_optimization_profiles: int

    def get_tensor_dtype(self, name: str) -> DataType: ...
    def get_tensor_mode(self, name: str) -> TensorIOMode: ...
    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Iterable[int]]: ...
    def get_tensor_shape(self, name: str) -> Iterable[int]: ...


class Runtime(Protocol):
    """Loads plans; it must outlive what it loads."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None: ...
