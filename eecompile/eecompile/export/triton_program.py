"""A multi-exit network in Triton's Python backend, version folder of a model: this file and the bundle `model.ee`.

The whole chain runs in this one instance. Requests that Triton hands over together are joined: those that ask for the
same are one call. `eerun` must be installed for the Python of the backend.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # it exists only inside Triton

import eerun
from eengines.errors import EEError, InputError, UserError

CODES = {400: "INVALID_ARG", 503: "UNAVAILABLE", 504: "UNAVAILABLE"}
"""Triton's error codes, by the HTTP status of an error; others are internal."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Parameters of a request that are for the model.

    Attributes:
        deadline_ms: milliseconds from now after which the answer is worth nothing.
        max_exit: everybody leaves at this exit.
        min_exit: nobody leaves before this exit.
    """

    deadline_ms: float | None = None
    max_exit: int | None = None
    min_exit: int = 0


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        index: its place among those that were handed over.
        request: as Triton gave it.
        terms: its parameters.
        arrays: its samples, by input name.
    """

    index: int
    request: Any
    terms: Terms
    arrays: dict[str, np.ndarray[Any, Any]]

    @property
    def kind(self) -> tuple[object, ...]:
        """Calls of one kind can be joined."""
        return self.terms, *((name, array.dtype, array.shape[1:]) for name, array in sorted(self.arrays.items()))

    @property
    def count(self) -> int:
        """How many samples it has."""
        return len(next(iter(self.arrays.values())))


class TritonPythonModel:
    """What Triton's Python backend loads."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the bundle, with the engine that `config.pbtxt` names in its parameters."""
        config = msgspec.json.decode(args["model_config"])
        chosen = {name: entry["string_value"] for name, entry in config.get("parameters", {}).items()}
        self._model = eerun.load(
            Path(args["model_repository"], args["model_version"], "model.ee"),
            engine=chosen.get("engine", "auto"),
            precision=chosen.get("precision", "auto"),
            threads=int(chosen["threads"]) if "threads" in chosen else None,
            device=int(args["model_instance_device_id"]) if args["model_instance_kind"] == "GPU" else 0,
            scheduling=eerun.SchedulerSettings(max_queue=max(1, config["max_batch_size"])),
        )

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Return one response for each request, in their order."""
        responses: list[Any] = [None] * len(requests)
        groups = dict[tuple[object, ...], list[Call]]()
        for index, request in enumerate(requests):
            try:
                call = self._read(index, request)
            except EEError as error:
                responses[index] = _refusal(error)
            else:
                groups.setdefault(call.kind, []).append(call)
        started = [(calls, self._start(calls)) for calls in groups.values()]
        for calls, future in started:
            for call, response in zip(calls, self._responses(calls, future), strict=True):
                responses[call.index] = response
        return responses

    def finalize(self) -> None:
        """Answer what was accepted, and stop."""
        self._model.close()

    def _read(self, index: int, request: Any) -> Call:
        """Read a request."""
        try:
            terms = msgspec.json.decode(request.parameters() or "{}", type=Terms)
        except msgspec.DecodeError as error:
            remedy = "Give deadline_ms as a number, max_exit and min_exit as integers"
            raise UserError("request parameters", str(error), remedy) from error
        arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        return Call(index=index, request=request, terms=terms, arrays=arrays)

    def _start(self, calls: list[Call]) -> "Future[eerun.Result]":
        """Queue calls of one kind as one."""
        terms = calls[0].terms
        names = calls[0].arrays
        joined = {name: np.concatenate([call.arrays[name] for call in calls]) for name in names}
        try:
            return self._model.submit(
                joined, deadline_ms=terms.deadline_ms, max_exit=terms.max_exit, min_exit=terms.min_exit
            )
        except EEError as error:
            refused: Future[eerun.Result] = Future()
            refused.set_exception(error)
            return refused

    def _responses(self, calls: list[Call], future: "Future[eerun.Result]") -> list[Any]:
        """Wait for an answer and take it apart; where samples of a joined call are wrong, each call runs alone."""
        try:
            result = future.result()
        except InputError as error:
            if len(calls) == 1:
                return [_refusal(error)]
            alone = [([call], self._start([call])) for call in calls]
            return [response for one, started in alone for response in self._responses(one, started)]
        except EEError as error:
            return [_refusal(error) for _ in calls]
        ends = np.cumsum([call.count for call in calls])
        return [_response(call, result, slice(end - call.count, end)) for call, end in zip(calls, ends, strict=True)]


def _response(call: Call, result: eerun.Result, samples: slice) -> Any:
    """The outputs that a request asks for, of its samples."""
    labels = result.labels[samples]
    outputs = {
        "logits": result.outputs[samples],
        "label": labels if labels.ndim > 1 else labels[:, None],
        "exit_index": result.exit_index[samples, None],
        "exit_confidence": result.confidence[samples, None],
    }
    wanted = set(call.request.requested_output_names())
    return pb_utils.InferenceResponse(
        output_tensors=[pb_utils.Tensor(name, array) for name, array in outputs.items() if name in wanted]
    )


def _refusal(error: EEError) -> Any:
    """Why a request has no answer."""
    code = getattr(pb_utils.TritonError, CODES.get(error.http_status, "INTERNAL"))
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), code))
