"""The module `tensorrt` (or `tensorrt_rtx`) itself, as far as it is used here and every supported version has it.

A function of this package takes the module as its parameter `trt`; nothing is decided by a global.
"""
# ruff: noqa: D102, N802 - the names are the library's, and so is the documentation

from typing import Protocol

from eengines.nvinfer import api

__all__ = ["TensorRt"]


class TensorRt(Protocol):
    """The module: classes, enums, and what is constructed."""

    __version__: str
    BuilderFlag: type[api.BuilderFlag]
    DataType: type[api.DataType]
    ILogger: type[api.ILogger]
    IMatrixMultiplyLayer: type[api.IMatrixMultiplyLayer]
    LayerType: type[api.LayerType]
    MatrixOperation: type[api.MatrixOperation]
    MemoryPoolType: type[api.MemoryPoolType]
    NetworkDefinitionCreationFlag: type[api.NetworkDefinitionCreationFlag]
    TensorIOMode: type[api.TensorIOMode]

    def Builder(self, logger: api.ILogger) -> api.Builder: ...
    def OnnxParser(self, network: api.INetworkDefinition, logger: api.ILogger) -> api.OnnxParser: ...
    def Runtime(self, logger: api.ILogger) -> api.Runtime: ...
    def Weights(self) -> api.Weights: ...
