"""Traces made up for the fits: exits that know more of the label the deeper they are."""

import numpy as np

from eecalib.trace import ExitTrace


def noisy_trace(samples: int = 600, *, exits: int = 3, classes: int = 5, seed: int = 0) -> ExitTrace:
    """Logits are a peak at the label, whose height differs from sample to sample, and noise that shrinks with depth."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, samples)
    height = random.uniform(0, 4, (samples, 1, 1))
    noise = random.normal(size=(samples, exits, classes)) * np.linspace(1.5, 0.5, exits)[:, None]
    logits = height * np.eye(classes)[labels][:, None] + noise
    return ExitTrace(logits=logits.astype(np.float32), labels=labels.astype(np.int64))
