"""What the chain's answers are worth, against labels, the fastest whole network, and the network in float32."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bench.heats import Field
from eerun.bench.measure import CHAIN, EXITS_OFF, Measured
from eerun.bench.result import Float32Summary, Quality
from eerun.bench.whole_network import WholeNetwork
from eerun.data import Labels

__all__ = ["Float32Answers", "float32_answers", "summarise_quality"]

FLOAT32 = "float32"

Float32Answers = tuple[str, NDArray[np.int64]]
"""The engine, and labels `[samples] int64`."""


def float32_answers(
    field: Field, measured: Measured, inputs: Mapping[str, Array], *, threads: int
) -> Float32Answers | None:
    """What the whole network says in float32: from the run, else from one pass now, which nobody times.

    Args:
        field: the whole networks of the run.
        measured: raw results of the run.
        inputs: samples `[samples, ...]` by input name.
        threads: threads of the engine.

    Returns:
        None: no float32 configuration runs here.
    """
    for name, whole in field.raced.items():
        if whole.way.entry.precision == FLOAT32:
            return whole.way.engine, measured.labels[name]
    ways = [way for way in field.usable if way.entry.precision == FLOAT32]
    if not ways:
        return None
    fastest = min(ways, key=lambda way: field.heat_ms[way.name])
    whole = WholeNetwork(fastest, threads=threads)
    return fastest.engine, whole.infer(inputs).argmax(axis=1)


def summarise_quality(
    measured: Measured, labels: Labels | None, float32: Float32Answers | None, *, fastest: str, own: str
) -> Quality:
    """Compare the answers of one pass with the labels `[samples]` and with whole networks."""
    chain, whole = measured.labels[CHAIN], measured.labels[fastest]
    right, right_whole = (None, None) if labels is None else (chain == labels, whole == labels)
    return Quality(
        samples=len(chain),
        accuracy=None if right is None else float(right.mean()),
        accuracy_whole=None if right_whole is None else float(right_whole.mean()),
        won=None if right is None or right_whole is None else int((right & ~right_whole).sum()),
        lost=None if right is None or right_whole is None else int((~right & right_whole).sum()),
        agreement=float((chain == whole).mean()),
        agreement_exits_off=float((measured.labels[EXITS_OFF] == measured.labels[own]).mean()),
        float32=None if float32 is None else _summarise_float32(float32, chain, labels),
    )


def _summarise_float32(float32: Float32Answers, chain: NDArray[np.int64], labels: Labels | None) -> Float32Summary:
    engine, answers = float32
    return Float32Summary(
        engine=engine,
        accuracy=None if labels is None else float((answers == labels).mean()),
        agreement=float((answers == chain).mean()),
    )
