"""Enums of TensorRT and the values that are used here and that every supported version has; part of `api.py`.

A value is an attribute of its enum, as in pybind11.
"""

from typing import Protocol

__all__ = [
    "BuilderFlag",
    "DataType",
    "Enum",
    "LayerType",
    "LogSeverity",
    "MatrixOperation",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "TensorIOMode",
]


class Enum(Protocol):
    """Values of a pybind11 enum have a name and a number."""

    @property
    def name(self) -> str:
        """As it is written in the enum."""

    def __int__(self) -> int: ...


class DataType(Enum, Protocol):
    """Element types; others are told by their `name`."""

    FLOAT: "DataType"
    HALF: "DataType"


class LayerType(Enum, Protocol):
    """Kinds of layers that are rewritten or looked through."""

    CAST: "LayerType"
    CONSTANT: "LayerType"
    DEQUANTIZE: "LayerType"
    EINSUM: "LayerType"
    MATRIX_MULTIPLY: "LayerType"
    QUANTIZE: "LayerType"
    SHAPE: "LayerType"


class MatrixOperation(Enum, Protocol):
    """What is done to an operand of a matrix product."""

    NONE: "MatrixOperation"
    TRANSPOSE: "MatrixOperation"


class MemoryPoolType(Enum, Protocol):
    """Memory that a builder can be given limits for."""

    WORKSPACE: "MemoryPoolType"


class TensorIOMode(Enum, Protocol):
    """What a tensor of an engine is."""

    INPUT: "TensorIOMode"


class BuilderFlag(Enum, Protocol):
    """What a builder may do; other values: see `api_of_some.py`."""

    TF32: "BuilderFlag"


class NetworkDefinitionCreationFlag(Enum, Protocol):
    """Values: see `api_of_some.py`."""


class LogSeverity(Enum, Protocol):
    """How bad a message is; smaller is worse. In the library: `ILogger.Severity`."""

    ERROR: "LogSeverity"
    WARNING: "LogSeverity"
