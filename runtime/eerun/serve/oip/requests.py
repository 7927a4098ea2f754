"""A request and its answer, as every transport has them."""

from collections.abc import Mapping

import msgspec

from eerun.model import Result
from eerun.serve.oip.tensors import Tensor

__all__ = ["InferRequest", "InferResponse", "Parameter"]

Parameter = bool | int | float | str


class InferRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks.

    Attributes:
        model: name of the model.
        inputs: its inputs, each once.
        version: of the model; None: the one that is served.
        id: given back with the answer; empty: none was given.
        parameters: `deadline_ms`, `max_exit`, `min_exit`; others have no meaning here.
        outputs: names of the outputs that are wanted; none: all.
    """

    model: str
    inputs: tuple[Tensor, ...]
    version: str | None = None
    id: str = ""
    parameters: Mapping[str, Parameter] = msgspec.field(default_factory=dict)
    outputs: tuple[str, ...] = ()


class InferResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What it gets.

    Attributes:
        model: name of the model.
        version: that answered.
        id: of the request.
        outputs: those that were wanted, in their order.
        result: everything that the model said, for logs and spans.
        parameters: of the answer.
    """

    model: str
    version: str
    id: str
    outputs: tuple[Tensor, ...]
    result: Result
    parameters: Mapping[str, Parameter] = msgspec.field(default_factory=dict)
