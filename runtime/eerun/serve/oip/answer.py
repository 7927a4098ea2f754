"""Answer a request with the model that it names."""

from collections.abc import Mapping, Sequence
from time import perf_counter_ns

import msgspec

from eengines.errors import ClosedError
from eengines.tensors import Array
from eerun.model import Result
from eerun.serve.errors import LateError, RequestError
from eerun.serve.oip.metadata import OUTPUT_DATATYPES
from eerun.serve.oip.requests import InferRequest, InferResponse, Parameter
from eerun.serve.oip.shown import shown
from eerun.serve.oip.tensors import Tensor
from eerun.serve.repository import Repository, Served

__all__ = ["answer"]

LONGEST_DEADLINE_MS = 24 * 3600 * 1000
MOST_EXITS = 2**31
NS_PER_MS = 1e6


class _Terms(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of a request that have a meaning here."""

    deadline_ms: float | None = None
    max_exit: int | None = None
    min_exit: int = 0


async def answer(repository: Repository, request: InferRequest, *, accepted_ns: int | None = None) -> InferResponse:
    """Return the model's answer. If the caller is cancelled, so is the call, unless it has begun.

    Args:
        repository: the models.
        request: what is asked.
        accepted_ns: `perf_counter_ns` from when on its deadline counts; None: from now on.

    Raises:
        UnknownModelError: no such model or version.
        RequestError: unknown outputs or parameters that are not what they should be, or inputs that are given twice.
        LateError: the deadline passed while the request was read.
        EEError: see `Model.submit`.
    """
    served = repository.get(request.model, request.version)
    names, terms = _outputs(request.outputs), _terms(request.parameters)
    inputs = {tensor.name: tensor.array for tensor in request.inputs}
    if len(inputs) != len(request.inputs):
        raise RequestError("inputs", "an input is given twice", "Give each input once")
    try:
        result = await _ask(served, inputs, terms, accepted_ns)
    except ClosedError:
        now = repository.get(request.model, request.version)
        if now is served:
            raise
        served = now  # it was replaced between the look and the call
        result = await _ask(served, inputs, terms, accepted_ns)
    return InferResponse(
        model=served.name,
        version=served.version,
        id=request.id,
        outputs=_tensors(result, names),
        result=result,
    )


async def _ask(served: Served, inputs: Mapping[str, object], terms: _Terms, accepted_ns: int | None) -> Result:
    deadline_ms = terms.deadline_ms
    if deadline_ms is not None and accepted_ns is not None:
        passed_ms = (perf_counter_ns() - accepted_ns) / NS_PER_MS
        if passed_ms >= deadline_ms:
            problem = f"its deadline of {deadline_ms:g} ms passed while the server read the request, {passed_ms:.1f} ms"
            raise LateError(f"model {served.name!r}", problem, "Give it more time, or send smaller requests")
        deadline_ms -= passed_ms
    return await served.model.ainfer(inputs, deadline_ms=deadline_ms, max_exit=terms.max_exit, min_exit=terms.min_exit)


def _outputs(names: Sequence[str]) -> tuple[str, ...]:
    """The outputs that are wanted."""
    if not names:
        return tuple(OUTPUT_DATATYPES)
    unknown = [name for name in names if name not in OUTPUT_DATATYPES]
    if unknown:
        problem = f"got {unknown[0][:64]!r}, expected some of {', '.join(OUTPUT_DATATYPES)}"
        raise RequestError("outputs", problem, "Ask for outputs that the model has")
    if len(set(names)) != len(names):
        raise RequestError("outputs", "an output is asked for twice", "Ask for each output once")
    return tuple(names)


def _terms(parameters: Mapping[str, Parameter]) -> _Terms:
    if not parameters:
        return _Terms()
    deadline_ms = parameters.get("deadline_ms")
    if deadline_ms is not None and (isinstance(deadline_ms, bool | str) or not 0 < deadline_ms <= LONGEST_DEADLINE_MS):
        problem = f"got {shown(deadline_ms)}, expected milliseconds, more than 0 and at most {LONGEST_DEADLINE_MS}"
        raise RequestError("parameter deadline_ms", problem, "Give a number, or leave it out")
    return _Terms(
        deadline_ms=None if deadline_ms is None else float(deadline_ms),
        max_exit=_exit(parameters, "max_exit"),
        min_exit=_exit(parameters, "min_exit") or 0,
    )


def _exit(parameters: Mapping[str, Parameter], name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST_EXITS:
        problem = f"got {shown(value)}, expected the number of an exit"
        raise RequestError(f"parameter {name}", problem, "Give 0 for the first")
    return value


def _tensors(result: Result, names: Sequence[str]) -> tuple[Tensor, ...]:
    arrays: dict[str, Array] = {
        "logits": result.outputs,
        "label": result.labels,
        "exit_index": result.exit_index,
        "exit_confidence": result.confidence,
    }
    tensors = []
    for name in names:
        array = arrays[name]
        tensors.append(Tensor(name=name, datatype=OUTPUT_DATATYPES[name], shape=array.shape, array=array))
    return tuple(tensors)
