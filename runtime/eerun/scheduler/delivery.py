"""Answers on their way back: written into their calls, told to who listens, and sent when a call has all of them."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.errors import EEError
from eerun.scheduler.defect import defect
from eerun.scheduler.lanes.lane import Ran
from eerun.scheduler.replies import Outbox
from eerun.scheduler.request import Left, Part, Request
from eerun.scheduler.statistics import Statistics

__all__ = ["Delivery"]

_log = logging.getLogger("eerun")


class Delivery:
    """Hands answers to the calls that they belong to. Runs of one lane may be delivered by several threads.

    Args:
        statistics: counts them.
    """

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._lock = threading.Lock()

    def deliver(self, ran: Ran, now_ns: int) -> list[Request]:
        """Hand over the answers of a run; return the calls that have all of theirs now."""
        done = list[Request]()
        self._statistics.ran(ran)  # before anybody is told, who may write to the arrays that he gets
        with self._lock:
            for part, labels in _with_labels([part for part in ran.parts if not part.late]):
                _write(part, labels)
                if part.request.missing == 0:
                    done.append(part.request)
                if part.request.on_exit is not None and not part.request.over:
                    _tell(part, labels)
            for part in ran.parts:
                if part.late:
                    _compare(part)
        claimed = [request for request in done if request.claim()]
        letters = [(request, *_answer(request)) for request in claimed]
        self._statistics.answered([request for request, _, error in letters if error is None], now_ns)
        for _, _, error in letters:
            if error is not None:
                self._statistics.failed(type(error).__name__)
        _send(letters)
        return claimed

    def refuse(self, refused: Sequence[tuple[Request, EEError]]) -> list[Request]:
        """Tell calls why they are not answered, unless they have a reply; return those that were told."""
        claimed = [(request, error) for request, error in refused if request.claim()]
        hear = [(request, error) for request, error in claimed if request.begun or request.reply.begin()]
        for _, error in hear:
            self._statistics.failed(type(error).__name__)
        _send([(request, None, error) for request, error in hear])
        return [request for request, _ in claimed]


def _answer(request: Request) -> tuple[Any, EEError | None]:
    """The answer of a call that has all of its samples', or the defect because of which it has none."""
    try:
        if request.observe is not None and request.watched == 0:
            request.observe(request)
        return request.conclude(request), None
    except Exception as error:  # noqa: BLE001 - a defect at one call must not stop the others' answers
        _log.exception("an answer could not be made")
        return None, defect("model", "the answer", error)


def _send(letters: Sequence[tuple[Request, Any, EEError | None]]) -> None:
    """Hand over answers, or why there is none."""
    outbox = Outbox()
    try:
        for request, value, error in letters:
            try:
                request.reply.send(value, error, outbox)
            except Exception:  # noqa: BLE001 - as above
                _log.exception("an answer could not be handed over")
    finally:
        outbox.flush()


def _with_labels(parts: Sequence[Part]) -> list[tuple[Part, NDArray[np.int64]]]:
    """Each part with the class of the largest logit of its samples; of many small parts all classes at once."""
    if len(parts) == 1 or any(part.outputs.ndim != 2 for part in parts):
        return [(part, part.outputs.argmax(axis=1)) for part in parts]
    if not parts:
        return []
    labels = np.concatenate([part.outputs for part in parts]).argmax(axis=1)
    found, first = [], 0
    for part in parts:
        last = first + len(part.samples)
        found.append((part, labels[first:last]))
        first = last
    return found


def _write(part: Part, labels: NDArray[np.int64]) -> None:
    """Write answers into their call."""
    request, answers = part.request, part.request.answers
    samples: NDArray[np.intp] | int = part.samples
    if request.count == 1:  # without index arrays of one element, which cost more than what they move
        samples = 0
        answers.outputs[0] = part.outputs[0]
    else:
        answers.outputs[samples] = part.outputs
    answers.exit_index[samples] = part.exit_index
    answers.confidence[samples] = part.confidence if request.count > 1 else part.confidence[0]
    request.labels[samples] = labels if request.count > 1 else labels[0]
    request.missing -= len(part.samples)
    if answers.shadow is not None and part.exit_index < len(request.terms.thresholds):
        request.watched += int(answers.shadow.chosen[part.samples].sum())


def _compare(part: Part) -> None:
    """Write what the final exit says of watched samples; when the last of a call has been there, it is observed."""
    request = part.request
    shadow = request.answers.shadow
    assert shadow is not None  # noqa: S101 - only watched samples are late
    shadow.early[part.samples] = True
    shadow.outputs[part.samples] = part.outputs
    request.watched -= len(part.samples)
    if request.over and request.missing == 0 and request.watched == 0 and request.observe is not None:
        try:
            request.observe(request)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("watched answers could not be observed")


def _tell(part: Part, labels: NDArray[np.int64]) -> None:
    """Tell the caller of samples that left."""
    assert part.request.on_exit is not None  # noqa: S101 - the caller looked
    left = Left(
        samples=part.samples,
        outputs=part.outputs,
        labels=labels,
        exit_index=part.exit_index,
        confidence=part.confidence,
    )
    try:
        part.request.on_exit(left)
    except BaseException:  # noqa: BLE001 - the caller's code, also SystemExit in it, must not stop everybody's answers
        _log.exception("on_exit raised")
