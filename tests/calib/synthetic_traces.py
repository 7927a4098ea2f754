"""Logits made up for tests: exits that are right more often the deeper they are, and surer where they are right."""

import numpy as np

from eecalib.trace import ExitTrace
from eecalib.tuning import TuningData
from eerun.costs import CostTable

BUCKETS = (1, 2, 4, 8, 16, 32)


def synthetic_trace(samples: int, *, exits: int, classes: int, seed: int) -> ExitTrace:
    """Draw a trace; the difficulty of a sample is the same at all exits."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    difficulty = random.normal(0, 1.2, (samples, 1))
    strength = 2.5 + np.linspace(0, 3, exits) - 1.5 * difficulty
    logits = random.normal(0, 1, (samples, 1, classes)) + 0.6 * random.normal(0, 1, (samples, exits, classes))
    logits[np.arange(samples), :, labels] += strength
    return ExitTrace(logits=logits.astype(np.float32), labels=labels.astype(np.int64))


def synthetic_costs(exits: int, *, heads: bool = False) -> CostTable:
    """Each run has a fixed cost, and so has each row; heads are a third of a segment where they are apart."""
    segment = tuple(0.3 + 0.15 * bucket for bucket in BUCKETS)
    return CostTable(
        engine="made up",
        precision="float32",
        device="none",
        buckets=BUCKETS,
        segment_ms=(segment,) * exits,
        whole_ms=tuple(exits * ms for ms in segment),
        move_ms=(0.001,) * (exits - 1),
        head_ms=(tuple(ms / 3 for ms in segment),) * (exits - 1) if heads else (),
    )


def synthetic_data(
    samples: int, *, exits: int, classes: int, seed: int, batch: int = 8, heads: bool = False
) -> TuningData:
    """A recording with costs, relative to its own final exit."""
    trace = synthetic_trace(samples, exits=exits, classes=classes, seed=seed)
    return TuningData(
        trace=trace,
        reference_right=(trace.logits[:, -1].argmax(axis=1) == trace.labels).astype(np.int64),
        costs=synthetic_costs(exits, heads=heads),
        batch=batch,
        seed=0,
    )
