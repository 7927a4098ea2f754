"""Requests and answers of the protocol, from and to gRPC's messages."""

from math import inf
from typing import Any

from eerun.serve.errors import RequestError
from eerun.serve.grpc.contents import tensors_of
from eerun.serve.grpc.messages import message
from eerun.serve.grpc.parameters import parameters_of, write_parameters
from eerun.serve.oip.requests import InferRequest, InferResponse

__all__ = ["read_request", "write_response"]

_Response = message("ModelInferResponse")
UNKNOWN = ("classification", "shared_memory_region")
"""Parameters of Triton's outputs that would change what the client gets; others mean nothing here."""


def read_request(sent: Any, remaining_s: float | None) -> InferRequest:
    """Return what a `ModelInferRequest` asks.

    Args:
        sent: the message.
        remaining_s: seconds until the client stops waiting; None: it does not say. The smaller of this and
            `deadline_ms` counts.

    Raises:
        RequestError: it is not what the protocol says.
    """
    for output in sent.outputs:
        for name in UNKNOWN:
            if name in output.parameters:
                problem = f"parameter {name!r} is not known here"
                raise RequestError(f"output {output.name[:64]!r}", problem, "Ask for the tensor itself")
    parameters = parameters_of(sent.parameters)
    if remaining_s is not None:
        left_ms, own = max(remaining_s, 1e-6) * 1000, parameters.get("deadline_ms", inf)
        if not isinstance(own, bool | str) and not own <= left_ms:
            parameters["deadline_ms"] = left_ms
    return InferRequest(
        model=sent.model_name,
        version=sent.model_version or None,
        id=sent.id,
        parameters=parameters,
        inputs=tensors_of(sent),
        outputs=tuple(output.name for output in sent.outputs),
    )


def write_response(response: InferResponse) -> Any:
    """Return an answer as `ModelInferResponse`; the tensors are raw bytes, in the order of its outputs."""
    found = _Response(model_name=response.model, model_version=response.version, id=response.id)
    write_parameters(response.parameters, found.parameters)
    for tensor in response.outputs:
        found.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        found.raw_output_contents.append(tensor.array.tobytes())
    return found
