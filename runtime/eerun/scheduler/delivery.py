"""Answers on their way back: written into their calls, told to who listens, and sent when a call has all of them."""

import logging
import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eengines.errors import EEError
from eerun.scheduler.defect import defect
from eerun.scheduler.lanes.lane import Ran
from eerun.scheduler.replies import Outbox
from eerun.scheduler.request import Answered, Left, Part, Request
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
            for answered in ran.answered:
                if not answered.late:
                    done += _write(answered)
            for answered in ran.answered:
                if answered.late:
                    for part in answered.parts():
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


def _write(answered: Answered) -> list[Request]:
    """Write answers into their calls, and tell who listens; return the calls that have all of theirs now."""
    labels = answered.outputs.argmax(axis=1)
    write = _write_one_each if len(answered.requests) == len(labels) and labels.ndim == 1 else _write_many
    write(answered, labels)
    if any(request.on_exit is not None for request in answered.requests):
        for part, (start, end) in zip(answered.parts(), pairwise(answered.bounds), strict=True):
            if part.request.on_exit is not None and not part.request.over:
                _tell(part, labels[start:end])
    return [request for request in answered.requests if not request.missing]


def _write_one_each(answered: Answered, labels: NDArray[np.int64]) -> None:
    """Write one answer into each call: plain numbers cost less than arrays of one element."""
    exit_index = answered.exit_index
    rows = zip(
        answered.requests,
        answered.samples.tolist(),
        answered.outputs,
        labels.tolist(),
        answered.confidence.tolist(),
        strict=True,
    )
    for request, sample, outputs, label, confidence in rows:
        answers = request.answers
        answers.outputs[sample] = outputs
        answers.exit_index[sample] = exit_index
        answers.confidence[sample] = confidence
        request.labels[sample] = label
        request.missing -= 1
        if answers.shadow is not None and exit_index < len(request.terms.thresholds):
            request.watched += int(answers.shadow.chosen[sample])


def _write_many(answered: Answered, labels: NDArray[np.int64]) -> None:
    """Write any number of answers into each call."""
    for part, (start, end) in zip(answered.parts(), pairwise(answered.bounds), strict=True):
        request, answers, samples = part.request, part.request.answers, part.samples
        answers.outputs[samples] = part.outputs
        answers.exit_index[samples] = part.exit_index
        answers.confidence[samples] = part.confidence
        request.labels[samples] = labels[start:end]
        request.missing -= end - start
        if answers.shadow is not None and part.exit_index < len(request.terms.thresholds):
            request.watched += int(answers.shadow.chosen[samples].sum())


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
        confidence=part.confidence.copy(),  # statistics keep it for a while
    )
    try:
        part.request.on_exit(left)
    except BaseException:  # noqa: BLE001 - the caller's code, also SystemExit in it, must not stop everybody's answers
        _log.exception("on_exit raised")
