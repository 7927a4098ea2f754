"""A stand-in for Triton's Python backend: the module `triton_python_backend_utils` exists only inside Triton.

It has what a model that is not decoupled is given and gives back, as the backend's C++ module defines it: names,
arguments and their defaults; a request's parameters are the text of a JSON object; outputs are one list a response.
"""

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

__all__ = ["InferenceRequest", "TritonModelFolder", "read_config"]


class TritonError:
    """An error of one request."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        assert isinstance(message, str)
        self._message, self._code = message, code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


class Tensor:
    """A named array; what comes from a model is copied, as into shared memory."""

    def __init__(self, name: str, array: np.ndarray) -> None:
        assert isinstance(array, np.ndarray)
        assert array.dtype != object
        self._name, self._array = name, np.ascontiguousarray(array)

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._array


class InferenceRequest:
    """What `execute` is given."""

    def __init__(self, inputs: Sequence[Tensor], wanted: Sequence[str], parameters: str) -> None:
        self._inputs, self._wanted, self._parameters = list(inputs), list(wanted), parameters

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> list[str]:
        return self._wanted

    def parameters(self) -> str:
        return self._parameters


class InferenceResponse:
    """What `execute` gives back: outputs, or an error."""

    def __init__(self, output_tensors: Sequence[Tensor] = (), error: TritonError | None = None) -> None:
        self._tensors, self._error = list(output_tensors), error

    def output_tensors(self) -> list[Tensor]:
        return self._tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error


def _backend() -> ModuleType:
    module = ModuleType("triton_python_backend_utils")
    for kind in (TritonError, Tensor, InferenceRequest, InferenceResponse):
        setattr(module, kind.__name__, kind)
    return module


def read_config(folder: Path) -> Any:
    """Parse `config.pbtxt` with Triton's schema, and check what Triton checks beyond it."""
    config = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert config.name == folder.name
    names = [value.name for value in (*config.input, *config.output)]
    assert len(set(names)) == len(names)
    for value in (*config.input, *config.output):
        assert value.data_type != model_config_pb2.TYPE_INVALID
        assert len(value.dims) >= 1
        assert all(size == -1 or size >= 1 for size in value.dims)
    return config


class TritonModelFolder:
    """One version of a model in a model repository, served as Triton's Python backend does it.

    Args:
        folder: the model's folder, in which `config.pbtxt` is.
        version: name of its version folder.
    """

    def __init__(self, folder: Path, version: str = "1") -> None:
        self.config = read_config(folder)
        spec = importlib.util.spec_from_file_location(f"exported_{version}", folder / version / "model.py")
        program = importlib.util.module_from_spec(spec)
        sys.modules["triton_python_backend_utils"] = _backend()
        sys.modules[spec.name] = program
        try:
            spec.loader.exec_module(program)
        finally:
            del sys.modules["triton_python_backend_utils"]
        self.model = program.TritonPythonModel()
        self.model.initialize(
            {
                "model_config": json_format.MessageToJson(self.config, preserving_proto_field_name=True),
                "model_instance_kind": "CPU",
                "model_instance_device_id": "0",
                "model_repository": str(folder),
                "model_version": version,
                "model_name": folder.name,
            }
        )

    def __enter__(self) -> "TritonModelFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.model.finalize()

    def request(
        self, inputs: Mapping[str, np.ndarray], *, outputs: Sequence[str] | None = None, **parameters: Any
    ) -> InferenceRequest:
        """A request of all outputs, or of some, with parameters."""
        wanted = [output.name for output in self.config.output] if outputs is None else outputs
        return InferenceRequest([Tensor(*item) for item in inputs.items()], wanted, json.dumps(parameters))

    def execute(self, *requests: InferenceRequest) -> list[dict[str, np.ndarray] | TritonError]:
        """Hand requests over together; what each is answered, checked against the configuration."""
        responses = self.model.execute(list(requests))
        assert len(responses) == len(requests)
        assert len({id(response) for response in responses}) == len(responses)
        return [self._read(*pair) for pair in zip(requests, responses, strict=True)]

    def _read(self, request: InferenceRequest, response: InferenceResponse) -> dict[str, np.ndarray] | TritonError:
        if response.has_error():
            return response.error()
        found = {tensor.name(): tensor.as_numpy() for tensor in response.output_tensors()}
        assert set(found) == set(request.requested_output_names())
        samples = len(request.inputs()[0].as_numpy())
        for output in self.config.output:
            if output.name in found:
                array, kind = found[output.name], model_config_pb2.DataType.Name(output.data_type)
                types = {"TYPE_FP32": "float32", "TYPE_INT64": "int64", "TYPE_INT32": "int32"}
                assert array.dtype == types[kind]
                assert array.shape == (samples, *output.dims)
        return found
