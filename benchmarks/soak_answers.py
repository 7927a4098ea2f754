"""Compare every answer of a load test with what `Model.infer` says, logits too."""

from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from eengines.errors import UserError
from eerun.bench.server.queries import Queries
from eerun.bench.server.recorded import LOST, UNANSWERED, Recorded
from eerun.bench.server.tensors_on_the_wire import decode_answer
from eerun.model import Result

__all__ = ["OUTPUTS", "Compared", "Reference", "compare", "reference"]

OUTPUTS = ("label", "exit_index", "logits")


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """What `infer` says to each sample, once for each size of batch that engines are prepared for.

    Attributes:
        labels: `[sizes, samples] int64`.
        exits: `[sizes, samples] int32`.
        logits: `[sizes, samples, classes] float32`.
        open: `[samples] bool`: labels or exits differ between sizes.
        spread: the greatest difference of a logit between two sizes at the same exit.
        limit: `spread` once a segment: in a server each segment may run in a batch of another size.
    """

    labels: NDArray[np.int64]
    exits: NDArray[np.int32]
    logits: NDArray[np.float32]
    open: NDArray[np.bool_]
    spread: float
    limit: float


def reference(results: list[Result], *, segments: int) -> Reference:
    """Put together what `answers_in_every_batch` found."""
    labels, exits, logits = (
        np.stack([getattr(found, name) for found in results]) for name in ("labels", "exit_index", "outputs")
    )
    same = exits == exits[:1]
    spread = float(np.abs(logits - logits[:1]).max(axis=-1)[same].max())
    open_ = (labels != labels[:1]).any(axis=0) | ~same.all(axis=0)
    return Reference(labels=labels, exits=exits, logits=logits, open=open_, spread=spread, limit=segments * spread)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Requests by what became of them, and samples by how their answers compare.

    Attributes:
        statuses: requests by HTTP status, `lost` and `unanswered`.
        samples: samples that were answered.
        equal: of them those with label, exit and every bit of the logits as `infer` gives in one of the sizes.
        near: label and exit are as `infer` says, logits within `Reference.limit` of one of the sizes.
        far: label and exit are as `infer` says, logits are not within the limit.
        open: samples of `equal`, `near` and `far` to which `infer` itself says several things.
        wrong: another label or exit than `infer` gives in any size.
        unreadable: answers that are none of the protocol.
        worst: greatest difference of a logit to the nearest size.
    """

    statuses: dict[str, int]
    samples: int
    equal: int
    near: int
    far: int
    open: int
    wrong: int
    unreadable: int
    worst: float


def compare(recorded: Recorded, queries: Queries, known: Reference) -> Compared:
    """Compare one block."""
    names = {LOST: "lost", UNANSWERED: "unanswered"}
    statuses = Counter(names.get(status, str(status)) for status in recorded.status.tolist())
    found: Counter[str] = Counter()
    worst = 0.0
    for place in np.flatnonzero(recorded.answered).tolist():
        samples = queries.samples[recorded.query[place]]
        try:
            answer = decode_answer(recorded.bodies[place], int(recorded.header_lengths[place]))
            label, exit_, logits = (answer[name] for name in OUTPUTS)
        except (ValueError, KeyError, msgspec.DecodeError, UserError):
            found["unreadable"] += 1
            continue
        if not len(label) == len(exit_) == len(logits) == len(samples):
            found["unreadable"] += 1
            continue
        fits = (known.labels[:, samples] == label) & (known.exits[:, samples] == exit_)
        apart = np.where(fits, np.abs(known.logits[:, samples] - logits).max(axis=-1), np.inf).min(axis=0)
        right = fits.any(axis=0)
        found["samples"] += len(samples)
        found["equal"] += int((apart == 0).sum())
        found["near"] += int(((apart > 0) & (apart <= known.limit)).sum())
        found["far"] += int((right & ~(apart <= known.limit)).sum())
        found["open"] += int((right & known.open[samples]).sum())
        found["wrong"] += int((~right).sum())
        worst = max(worst, float(apart[right].max(initial=0.0)))
    counts = {name: found[name] for name in ("samples", "equal", "near", "far", "open", "wrong", "unreadable")}
    return Compared(statuses=dict(statuses), worst=worst, **counts)
