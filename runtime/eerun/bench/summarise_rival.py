"""What a slow rival did on the samples that it was given."""

import numpy as np

from eerun.bench.measure import CHAIN, Measured
from eerun.bench.rivals import RIVALS
from eerun.bench.speeds import RivalSummary
from eerun.bench.statistics import paired_ratio

__all__ = ["summarise_rival"]

NS_PER_MS = 1e6


def summarise_rival(name: str, measured: Measured, *, batch: int, seed: int) -> RivalSummary:
    """Compare a rival with the chain, sample by sample, on the batches that both answered.

    Args:
        name: the name that `--against` takes.
        measured: raw results with at least one call of the rival.
        batch: samples a batch, for the chain's time a sample.
        seed: seed of the bootstrap.
    """
    calls = measured.rival
    per_sample = np.array([call.time_ns / len(call.samples) for call in calls])
    chain = measured.times_ns[CHAIN][[call.batch for call in calls]] / batch
    samples = np.concatenate([call.samples for call in calls])
    labels = np.concatenate([call.labels for call in calls])
    exit_index = np.concatenate([call.exit_index for call in calls])
    return RivalSummary(
        name=name,
        words=RIVALS[name].words,
        calls=len(calls),
        samples=len(samples),
        ms_per_sample=float(sum(call.time_ns for call in calls)) / len(samples) / NS_PER_MS,
        ratio=paired_ratio(per_sample, chain, batch=len(calls[0].samples), seed=seed),
        same_label=float((labels == measured.labels[CHAIN][samples]).mean()),
        same_exit=float((exit_index == measured.exit_index[samples]).mean()),
    )
