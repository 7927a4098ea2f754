"""From a model file to segments in memory: ingest, check against torch, convert inputs, split."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import onnx_ir as ir

from eecompile.build.settings import BuildSettings
from eecompile.ingest import Ingested, IngestSettings, check_against_torch, ingest
from eecompile.network_values import network_values
from eecompile.passes import peel_softmax, prepend_input_conversion
from eecompile.split import Split, split_model
from eecompile.stages import Stages
from eengines.errors import DataError, UserError
from eengines.tensors import Array
from eerun.bundle import InputEntry
from eerun.data import Samples, default_data_path, load_data, make_splits
from eerun.inputs import check_inputs
from eerun.policies import policy_by_name
from eerun.random_inputs import random_inputs

__all__ = ["Prepared", "prepare"]

PROBE_SAMPLES = 3
CHECK_SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network in segments, and the data to tune it with.

    Attributes:
        ingested: what was loaded.
        model: the whole graph with all exits, taking raw samples.
        split: its segments.
        inputs: raw inputs as the bundle declares them.
        splits: the data by split; empty without data.
        split_seed: seed of the function that made them.
        samples: raw samples for checks and measurements, `[16 or more, ...]` by input name.
        reference_error: see `BuildReport`.
    """

    ingested: Ingested
    model: ir.Model
    split: Split
    inputs: tuple[InputEntry, ...]
    splits: Mapping[str, Samples]
    split_seed: int
    samples: Mapping[str, Array]
    reference_error: float | None


def prepare(path: Path, settings: BuildSettings, stages: Stages) -> Prepared:
    """Load, check and split a model."""
    policy = policy_by_name(settings.policy)
    with stages.stage("load and export"):
        ingested = ingest(path, _ingest_settings(settings))
        inputs = tuple(
            InputEntry(name=i.name, dtype=i.dtype, shape=tuple(i.shape), range=i.range) for i in ingested.inputs
        )
        splits = load_splits(path, settings, inputs)
        samples = _samples(splits, inputs, settings.seed)
    with stages.stage("convert inputs, check against torch" if ingested.reference else "convert inputs"):
        model = ingested.model
        prepend_input_conversion(model, ingested.inputs)
        error = _check_reference(ingested, samples)
        for index in peel_softmax(model):
            stages.detail(f"exit {ingested.exits[index]} ends in a softmax: its logits are the exit now")
    with stages.stage("split at minimal cuts"):
        split = split_model(
            model, ingested.exits, {name: array[:PROBE_SAMPLES] for name, array in samples.items()}, policy
        )
        _explain(split, ingested.exits, stages)
    return Prepared(
        ingested=ingested,
        model=model,
        split=split,
        inputs=inputs,
        splits=splits,
        split_seed=settings.seed,
        samples=samples,
        reference_error=error,
    )


def load_splits(path: Path, settings: BuildSettings, inputs: tuple[InputEntry, ...]) -> Mapping[str, Samples]:
    """Load the data and check it against the inputs; without any, thresholds must be given by hand."""
    source = settings.data or default_data_path(path)
    if source is None:
        if settings.thresholds is None:
            raise UserError(
                str(path),
                f"no data to tune thresholds with: --data is not given and there is no {path.with_suffix('.npz').name}",
                "Give --data, or thresholds by hand with --thresholds",
            )
        return {}
    data = load_data(source, input_names=[entry.name for entry in inputs])
    splits = make_splits(data, seed=settings.seed)
    check_inputs(splits["calib"].inputs, inputs)
    for name in ("tune", "test"):
        check_inputs(splits[name].inputs, inputs)
        labels = splits[name].labels
        if labels is None and not settings.agreement and settings.thresholds is None:
            raise DataError(
                str(source), f"split {name!r} has no labels", "Add labels, or tune for agreement with --agreement"
            )
    return splits


def _ingest_settings(settings: BuildSettings) -> IngestSettings:
    names = IngestSettings.__dataclass_fields__
    return IngestSettings(**{name: getattr(settings, name) for name in names})


def _samples(splits: Mapping[str, Samples], inputs: tuple[InputEntry, ...], seed: int) -> Mapping[str, Array]:
    """Real samples where there are data, else random ones."""
    if "tune" in splits and len(splits["tune"]) >= CHECK_SAMPLES:
        return splits["tune"].inputs
    return random_inputs(inputs, CHECK_SAMPLES, seed=seed)


def _check_reference(ingested: Ingested, samples: Mapping[str, Array]) -> float | None:
    """Compare the graph on raw samples with torch on what the network sees of them."""
    if ingested.reference is None:
        return None
    raw = {name: array[:CHECK_SAMPLES] for name, array in samples.items()}
    reference, infos = ingested.reference, ingested.inputs

    def on_raw(values: Mapping[str, Array]) -> list[Array]:
        return reference({info.name: network_values(info, values[info.name]) for info in infos})

    return check_against_torch(ingested.model, on_raw, raw)


def _explain(split: Split, exits: tuple[str, ...], stages: Stages) -> None:
    """Say which cut was taken and what it costs; warn of exits that look out of order."""
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
            f"cut behind {name}: {', '.join(plan.crossing)}: {plan.crossing_bytes} bytes a sample{extra}; "
            f"segment of {len(plan.operations)} nodes, {segment.macs / 1e6:.1f} MMACs"
        )
