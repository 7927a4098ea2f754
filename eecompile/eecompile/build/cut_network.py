"""From an ingested graph to segments: convert raw inputs, check against torch and padding, cut behind each exit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from eecompile.build.check_padding import check_padding
from eecompile.build.graph_rows import graph_rows
from eecompile.ingest import Ingested, check_against_torch
from eecompile.network_values import network_values
from eecompile.passes import peel_softmax, prepend_input_conversion
from eecompile.split import Split, split_model
from eecompile.stages import Stages
from eengines.tensors import Array
from eerun.bundle import InputEntry, LengthEntry
from eerun.policies.base import ExitPolicy
from eerun.sequence import sequence_inputs

__all__ = ["CHECK_SAMPLES", "PROBE_SAMPLES", "CutNetwork", "cut_network"]

PROBE_SAMPLES = 3
CHECK_SAMPLES = 16
"""Rows of the graph, of a folded network groups of images; fewer are checked where there are not as many."""


@dataclass(frozen=True, kw_only=True)
class CutNetwork:
    """A network in segments.

    Attributes:
        split: the segments.
        reference_error: see `BuildReport`.
    """

    split: Split
    reference_error: float | None


def cut_network(
    ingested: Ingested,
    samples: Mapping[str, Array],
    policy: ExitPolicy,
    *,
    inputs: Sequence[InputEntry],
    lengths: Sequence[LengthEntry],
    stages: Stages,
) -> CutNetwork:
    """Cut a network behind each exit; its graph takes raw samples afterwards.

    Args:
        ingested: what was loaded; its model is changed.
        samples: raw samples, three rows or more, of the greatest length.
        policy: its score is appended to every exit.
        inputs: raw inputs as the bundle declares them.
        lengths: length buckets of a network with a sequence axis, ascending.
        stages: where progress and decisions are shown.

    Raises:
        IngestError: the graph answers otherwise than torch.
        BuildError: answers depend on padding.
        SplitError: the graph cannot be cut.
    """
    with stages.stage("convert inputs, check against torch" if ingested.reference else "convert inputs"):
        model = ingested.model
        prepend_input_conversion(model, ingested.inputs, fold=ingested.fold)
        error = _check_reference(ingested, samples)
        for index in peel_softmax(model):
            stages.detail(f"exit {ingested.exits[index]} ends in a softmax: its logits are the exit now")
        checked = _rows(ingested, samples, CHECK_SAMPLES)
        check_padding(model, ingested.exits, checked, inputs, [entry.length for entry in lengths])
    with stages.stage("split at minimal cuts"):
        sequences = {entry.name: axis for entry, axis in sequence_inputs(inputs).items()}
        probe = _rows(ingested, samples, PROBE_SAMPLES)
        split = split_model(model, ingested.exits, probe, policy, sequences=sequences)
        _explain(split, ingested, stages)
    return CutNetwork(split=split, reference_error=error)


def _check_reference(ingested: Ingested, samples: Mapping[str, Array]) -> float | None:
    """Compare the graph on raw samples with torch on what the network sees of them."""
    if ingested.reference is None:
        return None
    raw = _rows(ingested, samples, CHECK_SAMPLES)
    reference, infos, fold = ingested.reference, ingested.inputs, ingested.fold

    def on_raw(values: Mapping[str, Array]) -> list[Array]:
        images = {
            info.name: values[info.name].reshape(-1, *info.shape) if fold > 1 else values[info.name] for info in infos
        }
        return reference(graph_rows({info.name: network_values(info, images[info.name]) for info in infos}, fold))

    return check_against_torch(ingested.model, on_raw, raw)


def _rows(ingested: Ingested, samples: Mapping[str, Array], rows: int) -> Mapping[str, Array]:
    """So many rows of the graph, or fewer where there are not as many samples."""
    return graph_rows({name: array[: rows * ingested.fold] for name, array in samples.items()}, ingested.fold)


def _explain(split: Split, ingested: Ingested, stages: Stages) -> None:
    """Say which cut was taken and what it costs; warn of exits that look out of order."""
    exits, unit = ingested.exits, "sample" if ingested.fold == 1 else f"group of {ingested.fold} images"
    for (early, early_macs), (late, late_macs) in pairwise(zip(exits, split.exit_macs, strict=True)):
        if late_macs < early_macs:
            stages.warn(
                f"exit {late} needs {late_macs / 1e6:.1f} MMACs, {early} before it {early_macs / 1e6:.1f}: "
                "exits are listed from shallow to deep (--exits)"
            )
    for name, plan, segment in zip(exits, split.plan.segments, split.segments, strict=True):
        if not plan.crossing:
            continue
        saved = plan.frontier_bytes - plan.crossing_bytes
        extra = f", {saved} fewer than right behind the exit" if saved else ""
        stages.detail(
            f"cut behind {name}: {', '.join(plan.crossing)}: {plan.crossing_bytes} bytes a {unit}{extra}; "
            f"segment of {len(plan.operations)} nodes, {segment.macs / 1e6:.1f} MMACs"
        )
