"""Recordings of maps made up for tests: deeper exits know more of the label of each pixel."""

import numpy as np

from eecalib.trace import MapTrace
from eecalib.tuning.tuners import map_policies
from eerun.policies import ExitPolicy

IGNORED = 255
EXITS, CLASSES, MAP = 3, 4, (3, 5)


def map_logits(samples: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`[samples, exits, classes, 3, 5] float32`, and labels `[samples, 3, 5] uint8`; a tenth of them do not count."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, (samples, *MAP))
    ease = random.uniform(0, 4, (samples, 1, 1, 1, 1))
    noise = random.normal(size=(samples, EXITS, CLASSES, *MAP)) * np.linspace(1.5, 0.6, EXITS)[:, None, None, None]
    logits = ease * np.moveaxis(np.eye(CLASSES)[labels], -1, 1)[:, None] + noise
    labels = np.where(random.random(labels.shape) < 0.1, IGNORED, labels)
    return logits.astype(np.float32), labels.astype(np.uint8)


def map_trace(samples: int, *, seed: int, policies: tuple[ExitPolicy, ...] | None = None) -> MapTrace:
    """The trace of these logits, with scores of some policies; None: of all for maps."""
    logits, labels = map_logits(samples, seed=seed)
    policies = map_policies(EXITS) if policies is None else policies
    scores = [
        np.stack([policy.score(logits[:, exit_], None, exit_index=exit_)[0] for exit_ in range(EXITS)], axis=1)
        for policy in policies
    ]
    return MapTrace(
        policies=policies,
        scores=np.stack(scores),
        answers=logits.argmax(axis=2).astype(np.uint8),
        labels=labels,
        ignored=IGNORED,
    )
