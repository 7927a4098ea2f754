"""One call while it is being answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eengines.device import DeviceView
from eengines.tensors import Array
from eerun.executor import Answers
from eerun.scheduler.replies import FutureReply, Reply
from eerun.shadow import Turn

if TYPE_CHECKING:
    from eerun.scheduler.queue import Waiting

__all__ = ["Answered", "Left", "OnExit", "Part", "Request", "Terms"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How the samples of a call may leave. Calls with equal terms may share whatever they run in.

    Attributes:
        thresholds: one for each exit but the last; None: nobody leaves there.
        max_exit: the exit at which everybody leaves who is still there, whatever his score; the last: nobody is forced.
    """

    thresholds: tuple[float | None, ...]
    max_exit: int

    @property
    def first_exit(self) -> int:
        """The first exit at which anybody may leave."""
        open_ = (index for index, threshold in enumerate(self.thresholds[: self.max_exit]) if threshold is not None)
        return next(open_, self.max_exit)


@dataclass(frozen=True, kw_only=True, eq=False)
class Left:
    """Samples of one call that left at one exit, the moment they did. Arrays belong to the receiver.

    Attributes:
        samples: `[left] intp`, which samples of the call.
        outputs: `[left, *output_shape] float32` logits.
        labels: `[left] int64`, or a map for each sample.
        exit_index: the exit.
        confidence: `[left] float32`.
    """

    samples: NDArray[np.intp]
    outputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    exit_index: int
    confidence: NDArray[np.float32]


OnExit = Callable[[Left], None]
"""Told of samples when they leave, on the thread that runs the engine: it must return at once, and not raise."""


class Part(NamedTuple):
    """Answers of one exit to samples of one call.

    Attributes:
        request: the call.
        samples: `[answers] intp`, which samples of the call.
        outputs: `[answers, *output_shape] float32` logits; nobody writes to them any more.
        confidence: `[answers] float32`.
        exit_index: the exit.
        late: see `Answered`.
    """

    request: "Request"
    samples: NDArray[np.intp]
    outputs: NDArray[np.float32]
    confidence: NDArray[np.float32]
    exit_index: int
    late: bool


class Answered(NamedTuple):
    """Answers of one exit to samples of several calls, those of each call one behind the other.

    Attributes:
        exit_index: the exit.
        requests: the calls.
        bounds: `[calls + 1]` ascending: the answers of call `i` are those from `bounds[i]` to `bounds[i + 1]`.
        samples: `[answers] intp`, which samples of their calls.
        outputs: `[answers, *output_shape] float32` logits; nobody writes to them any more.
        confidence: `[answers] float32`.
        late: samples were answered before, are watched, and this is what the final exit says of them.
    """

    exit_index: int
    requests: "Sequence[Request]"
    bounds: Sequence[int]
    samples: NDArray[np.intp]
    outputs: NDArray[np.float32]
    confidence: NDArray[np.float32]
    late: bool = False

    def parts(self) -> Iterator[Part]:
        """Yield the answers to each call."""
        for request, (start, end) in zip(self.requests, pairwise(self.bounds), strict=True):
            rows = slice(start, end)
            yield Part(
                request, self.samples[rows], self.outputs[rows], self.confidence[rows], self.exit_index, self.late
            )


def _itself(request: "Request") -> Any:
    """A call that is answered is its own answer."""
    return request


@dataclass(kw_only=True, eq=False, slots=True)
class Request:
    """A call: its samples, how they may leave, and the answers so far.

    Attributes:
        inputs: arrays `[samples, ...]`, checked.
        count: number of samples.
        terms: how they may leave; fixed when the first of them enters.
        answers: arrays `[samples, ...]` that are filled; `answers.shadow` says who is watched.
        ladder: terms at each step of certified thresholds, 0 as loaded; empty: they are `terms` at every step.
        step: the step that `terms` are of.
        turn: of a watched model; None: it is not watched.
        deadline_ns: `perf_counter_ns` at which the answer is worth nothing; None: there is no deadline.
        on_exit: see `OnExit`.
        reply: where the answer goes.
        conclude: makes the answer of a request that has all of its samples' answers.
        observe: is told when watched samples have been to the final exit, too; None: nobody looks.
        accepted_ns: `perf_counter_ns` when it came.
        started_ns: when its first sample entered the first segment; 0: none has.
        entered: how many samples have entered.
        missing: how many are not answered yet.
        watched: how many are answered, watched, and still on their way.
        labels: `[samples, ...] int64` class with the largest logit, filled like `answers`.
        places: where its samples wait at the door.
        begun: the first of them entered, and it cannot be withdrawn any more.
        over: it has its reply.
    """

    inputs: Mapping[str, Array | DeviceView]
    count: int
    terms: Terms
    answers: Answers
    ladder: tuple[Terms, ...] = ()
    step: int = 0
    turn: Turn | None = None
    deadline_ns: int | None = None
    on_exit: OnExit | None = None
    reply: Reply = field(default_factory=FutureReply)
    conclude: Callable[["Request"], Any] = _itself
    observe: Callable[["Request"], None] | None = None
    accepted_ns: int = field(default_factory=perf_counter_ns)
    started_ns: int = 0
    entered: int = 0
    missing: int = field(init=False)
    watched: int = 0
    labels: NDArray[np.int64] = field(init=False)
    places: "tuple[Waiting, ...]" = ()
    begun: bool = False
    over: bool = False
    _claims: list[None] = field(init=False, default_factory=lambda: [None])

    def __post_init__(self) -> None:
        self.missing = self.count
        self.labels = np.empty((self.count, *self.answers.outputs.shape[2:]), np.int64)

    def claim(self) -> bool:
        """Say that the caller gives it its reply now; True for one of all threads that ask."""
        try:
            self._claims.pop()  # atomic, which a look at `over` and setting it are not
        except IndexError:
            return False
        self.over = True
        return True
