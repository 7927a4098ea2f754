"""Requests and answers of the protocol, from and to gRPC's messages."""

from typing import Any

from eerun.serve.errors import RequestError
from eerun.serve.grpc.contents import tensors_of
from eerun.serve.grpc.messages import message
from eerun.serve.grpc.parameters import parameters_of, write_parameters
from eerun.serve.oip.answer import LONGEST_DEADLINE_MS
from eerun.serve.oip.requests import InferRequest, InferResponse, Parameter

__all__ = ["read_request", "write_response"]

_Response = message("ModelInferResponse")
SHORTEST_S = 1e-6
NOT_HERE = ("classification", "shared_memory_region")
"""Parameters of Triton's outputs that would change what the client gets; others mean nothing here."""


def read_request(sent: Any, remaining_s: float | None) -> InferRequest:
    """Return what a `ModelInferRequest` asks.

    Args:
        sent: the message.
        remaining_s: seconds from its arrival until the client stops waiting; None: it does not say. The smaller of
            this and `deadline_ms` counts.

    Raises:
        RequestError: it is not what the protocol says.
    """
    for output in sent.outputs:
        values = parameters_of(output.parameters)
        for name in NOT_HERE:
            if values.get(name):
                problem = f"got parameter {name}, which this server does not have"
                raise RequestError(f"output {output.name[:64]!r}", problem, "Remove it")
    return InferRequest(
        model=sent.model_name,
        version=sent.model_version or None,
        id=sent.id,
        parameters=_with_deadline(parameters_of(sent.parameters), remaining_s),
        inputs=tensors_of(sent),
        outputs=tuple(output.name for output in sent.outputs),
    )


def _with_deadline(parameters: dict[str, Parameter], remaining_s: float | None) -> dict[str, Parameter]:
    """The parameters, with the client's patience as deadline where it ends earlier; what is no deadline stays."""
    own = parameters.get("deadline_ms", LONGEST_DEADLINE_MS)
    if remaining_s is None or isinstance(own, bool | str):
        return parameters
    left_ms = max(remaining_s, SHORTEST_S) * 1000
    return {**parameters, "deadline_ms": left_ms} if left_ms < own <= LONGEST_DEADLINE_MS else parameters


def write_response(response: InferResponse) -> Any:
    """Return an answer as `ModelInferResponse`; the tensors are raw bytes, in the order of its outputs."""
    found = _Response(model_name=response.model, model_version=response.version, id=response.id)
    write_parameters(response.parameters, found.parameters)
    for tensor in response.outputs:
        found.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        found.raw_output_contents.append(tensor.array.tobytes())
    return found
