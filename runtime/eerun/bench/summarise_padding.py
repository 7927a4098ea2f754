"""What length buckets bring, against padding every sample to the greatest length."""

import numpy as np

from eerun.bench.heats import Field
from eerun.bench.measure import CHAIN, PADDED, Measured, padded_name
from eerun.bench.speeds import PaddingSummary
from eerun.bench.statistics import paired_ratio
from eerun.bench.summarise import summarise_contestant
from eerun.configuration import Configuration

__all__ = ["summarise_padding"]


def summarise_padding(
    way: Configuration, field: Field, measured: Measured, *, batch: int, seed: int
) -> PaddingSummary | None:
    """Compare the chain with all at the greatest length; None: the network has no sequence axis.

    Args:
        way: what the chain runs in.
        field: the whole networks.
        measured: raw results.
        batch: samples a batch.
        seed: seed of the bootstrap.
    """
    times = measured.times_ns.get(PADDED)
    if times is None:
        return None
    chain = measured.times_ns[CHAIN].astype(np.float64)
    padded = {name: measured.times_ns[padded_name(name)] for name in field.raced}
    fastest = min(padded, key=lambda name: int(padded[name].sum()))
    return PaddingSummary(
        lengths=tuple(entry.length for entry in way.bundle.manifest.lengths),
        speed=summarise_contestant(times, batch),
        speedup=paired_ratio(times.astype(np.float64), chain, batch=batch, seed=seed),
        whole=fastest,
        whole_speed=summarise_contestant(padded[fastest], batch),
        whole_speedup=paired_ratio(padded[fastest].astype(np.float64), chain, batch=batch, seed=seed),
    )
