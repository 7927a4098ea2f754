"""Requests that were not answered, by model and reason, for those that no scheduler has seen."""

import threading
from collections import Counter
from enum import StrEnum

from eengines.errors import EEError, EngineError, RefusedError, UserError

__all__ = ["Counts", "Reason", "reason_of"]


class Reason(StrEnum):
    """Why a request failed, in Triton's words (`nv_inference_request_failure{reason}`)."""

    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    BACKEND = "BACKEND"
    OTHER = "OTHER"


class Counts:
    """Failed requests. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: Counter[tuple[str, Reason]] = Counter()

    def failed(self, model: str, reason: Reason) -> None:
        """Count a request to a model that was not answered."""
        with self._lock:
            self._failures[model, reason] += 1

    def failures(self) -> dict[tuple[str, Reason], int]:
        """Return how many there were so far, by model and reason."""
        with self._lock:
            return dict(self._failures)


def reason_of(error: EEError) -> Reason:
    """Return the reason of an error: what was refused, what the engine did, and the rest."""
    if isinstance(error, UserError | RefusedError):
        return Reason.REJECTED
    return Reason.BACKEND if isinstance(error, EngineError) else Reason.OTHER
