"""What the chain's answers are worth, against labels, the fastest whole network, and the network in float32."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from eengines.tensors import Array
from eerun.bench.heats import Field
from eerun.bench.measure import CHAIN, EXITS_OFF, Measured
from eerun.bench.result import Float32Summary, Quality
from eerun.bench.shares import count_only_first, share_alike
from eerun.bench.whole_network import WholeNetwork
from eerun.data import Labels, ignored_label
from eerun.mean_iou import mean_iou

__all__ = ["Float32Answers", "float32_answers", "summarise_quality"]

FLOAT32 = "float32"

Float32Answers = tuple[str, NDArray[Any]]
"""The engine, and labels `[samples]` or `[samples, height, width]`."""


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
    for name, whole in field.of_bundle().items():
        if whole.way.entry.precision == FLOAT32:
            return whole.way.engine, measured.labels[name]
    ways = [way for way in field.usable if way.entry.precision == FLOAT32]
    if not ways:
        return None
    fastest = min(ways, key=lambda way: field.heat_ms[way.name])
    whole = WholeNetwork(fastest, threads=threads)
    return fastest.engine, whole.infer(inputs).argmax(axis=1)


def summarise_quality(
    measured: Measured,
    labels: Labels | None,
    float32: Float32Answers | None,
    *,
    fastest: str,
    own: str,
    output: Sequence[int],
) -> Quality:
    """Compare the answers of one pass with the labels `[samples, *map]` and with whole networks.

    Args:
        measured: raw results of the run.
        labels: of the samples, or None.
        float32: what float32 answers, or None.
        fastest: name of the fastest whole network.
        own: name of the one in the chain's own form.
        output: shape of one sample's logits.
    """
    chain, whole, dense = measured.labels[CHAIN], measured.labels[fastest], len(output) > 1
    ignored = ignored_label(output)
    return Quality(
        samples=len(chain),
        unit="pixel" if dense else "sample",
        accuracy=None if labels is None else share_alike(chain, labels, ignored),
        accuracy_whole=None if labels is None else share_alike(whole, labels, ignored),
        won=None if labels is None else count_only_first(chain, whole, labels, ignored),
        lost=None if labels is None else count_only_first(whole, chain, labels, ignored),
        agreement=share_alike(chain, whole),
        agreement_exits_off=share_alike(measured.labels[EXITS_OFF], measured.labels[own]),
        mean_iou=_mean_iou(chain, labels, output),
        mean_iou_whole=_mean_iou(whole, labels, output),
        float32=None if float32 is None else _summarise_float32(float32, chain, labels, ignored),
    )


def _mean_iou(answers: NDArray[Any], labels: Labels | None, output: Sequence[int]) -> float | None:
    """Of maps with labels."""
    if labels is None or len(output) == 1:
        return None
    return mean_iou(answers, labels, classes=output[0], ignored=ignored_label(output))


def _summarise_float32(
    float32: Float32Answers, chain: NDArray[Any], labels: Labels | None, ignored: int | None
) -> Float32Summary:
    engine, answers = float32
    return Float32Summary(
        engine=engine,
        accuracy=None if labels is None else share_alike(answers, labels, ignored),
        agreement=share_alike(answers, chain),
    )
