"""Check a finished bundle: its files, every configuration that can run here, and the graphs for other devices."""

from dataclasses import dataclass
from pathlib import Path

from eecompile.build.report import BuildReport
from eecompile.verify.check import Check, check
from eecompile.verify.logits import Logits, run
from eecompile.verify.tolerance import least_agreement
from eecompile.verify.ways import Way, find_ways, reference_way
from eengines.engine_cache import CheckedFolder
from eengines.tensors import Array
from eerun.answer_unit import answer_unit
from eerun.bundle import Bundle, open_bundle
from eerun.data import default_data_path, load_data, make_splits
from eerun.inputs import check_inputs
from eerun.random_inputs import random_inputs

__all__ = ["Verification", "verify"]

SEED = 0


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found.

    Attributes:
        files: number of files whose digests were checked.
        plans: what is kept of plans of GPUs; damaged ones are built again, and are no fault of the bundle.
        samples: number of samples compared.
        unit: what answers are counted by: `sample`, or `pixel`.
        kind: `real` or `random`.
        reference: what everything is compared with.
        checks: one for each configuration that ran.
        skipped: configurations that cannot run here, with the reason.
    """

    files: int
    plans: CheckedFolder
    samples: int
    unit: str
    kind: str
    reference: str
    checks: tuple[Check, ...]
    skipped: tuple[str, ...]


def verify(path: Path, *, data: str | None, engine: str, precision: str, samples: int) -> Verification:
    """Check a bundle.

    Args:
        path: its folder.
        data: what to compare on; None: the `.npz` beside the bundle, else random samples.
        engine: check only this backend, or `auto`.
        precision: check only this precision, or `auto`.
        samples: how many to compare at most.

    Raises:
        BundleError: a file is not what the manifest says, or a configuration does not answer as it should.
        UserError: the engine or precision is unknown, or not in the bundle.
        EngineError: nothing of what is asked for can run here.
    """
    bundle = open_bundle(path)
    plans = bundle.verify_files()
    found = find_ways(bundle, engine=engine, precision=precision)
    inputs, kind = _samples(bundle, data, samples)
    reference = reference_way(bundle)
    float32 = run(reference.configuration, inputs)
    count = len(float32.chain)

    def checked(way: Way, logits: Logits) -> Check:
        return check(
            (way.name, way.precision),
            logits,
            float32,
            exits=bundle.manifest.exits,
            where=str(path),
            least_agreement=_least_agreement(bundle, way, count) if kind == "real" else None,
        )

    # first, so that its faults are not blamed on those that are compared with it
    base = checked(reference, float32)
    checks = [
        base if way.name == reference.name else checked(way, run(way.configuration, inputs)) for way in found.ways
    ]
    return Verification(
        files=len(bundle.manifest.files),
        plans=plans,
        samples=count,
        unit=answer_unit(bundle.manifest.task),
        kind=kind,
        reference=reference.name,
        checks=tuple(checks),
        skipped=found.skipped,
    )


def _samples(bundle: Bundle, data: str | None, samples: int) -> tuple[dict[str, Array], str]:
    source = data or default_data_path(bundle.path)
    entries = bundle.manifest.inputs
    if source is None:
        return random_inputs(entries, samples, seed=SEED), "random"
    splits = make_splits(load_data(source, input_names=[e.name for e in entries]), seed=bundle.manifest.split_seed)
    return {k: v[:samples] for k, v in check_inputs(splits["test"].inputs, entries).items()}, "real"


def _least_agreement(bundle: Bundle, way: Way, samples: int) -> float | None:
    """What the build promised; nothing without data. Float32 is held to its logits alone."""
    tune = bundle.manifest.splits.get("tune")
    if tune is None or way.configuration.entry.agreement is None or way.precision == "float32":
        return None
    report = bundle.read_json(bundle.manifest.report, BuildReport)
    return least_agreement(report.max_quant_drop, tune_samples=tune.samples, samples=samples)
