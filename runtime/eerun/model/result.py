"""What a call gets."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eerun.executor import Step

__all__ = ["NOBODY", "Result"]

NOBODY: NDArray[np.intp] = np.zeros(0, np.intp)
NOBODY.flags.writeable = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """Answers of one call, one row a sample, in the order of the input; samples of a folded network are images.

    Attributes:
        outputs: `[batch, classes] float32` logits of the exit where the sample left; of a network with one answer a
            pixel `[batch, classes, height, width]`.
        labels: `[batch] int64` class with the largest logit, or `[batch, height, width]`.
        exit_index: `[batch] int32` exit where the sample left, 0 = first; of a folded network the exit that answers
            the image, whose group may have gone on.
        confidence: `[batch] float32` the policy's score at that exit (for the default policy the probability of
            the answered class). An image of a folded network that is answered because its group leaves has the score
            that it has there, which may be below the threshold.
        steps: for each batch that ran, what each segment did; without those that it shared with others.
        step: which certified thresholds answered: 0 those that were loaded, n the nth fallback, the least where parts
            of a large call had different ones; of a watched model see `Metrics.step`.
        shadowed: `[rows] intp`, the rows that were watched; they also ran to the final exit.
        queue_ns: nanoseconds that the call waited until its first sample ran; 0 where it did not wait in a queue.
        compute_ns: nanoseconds from there to its last answer; 0 likewise.
    """

    outputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    exit_index: NDArray[np.int32]
    confidence: NDArray[np.float32]
    steps: tuple[tuple[Step, ...], ...]
    step: int = 0
    shadowed: NDArray[np.intp] = field(default_factory=lambda: NOBODY)
    queue_ns: int = 0
    compute_ns: int = 0
