"""From the graphs of a bundle to engines: build plans, measure and tune them if the card is here, add them."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eecompile.device_engines.add_configurations import Measured, add_configurations
from eecompile.device_engines.build_plans import Built, PlanBuilder, usable_backends
from eecompile.device_engines.card import find_card, graphs_for
from eecompile.device_engines.measure_card import CardMeter
from eecompile.device_engines.report import BuiltPlan, EnginesReport
from eecompile.device_engines.settings import EnginesSettings
from eecompile.device_engines.tuning_data import load_tuning_data
from eecompile.stages import Stages
from eengines.device import Device
from eengines.errors import EngineError
from eerun.bundle import Bundle, check_amendable, configuration_name, open_bundle
from eerun.device_executor.exit_table import MOST_FOLD

__all__ = ["build_engines"]

MIB = 2**20

T = TypeVar("T")


def build_engines(path: Path, settings: EnginesSettings, stages: Stages) -> EnginesReport:
    """Build every engine of a bundle for a card; where it is here, measure them and add them as configurations.

    Args:
        path: the bundle's folder.
        settings: what the user chose.
        stages: where progress is shown.

    Raises:
        UserError: settings or data cannot be used, or the bundle has no graphs for the card.
        BundleError: the bundle is damaged.
        EngineError: no backend can build here, all of them refuse the graphs, or plans built ahead cannot be kept.
    """
    bundle = open_bundle(path)
    _check_task(bundle)
    card = find_card(settings.target, settings.device)
    if card.device is not None:
        check_amendable(path)
    graphs = graphs_for(bundle.manifest, card, precision=settings.precision, where=str(path))
    backends, reasons = usable_backends(card, settings)
    builder, skipped = PlanBuilder(bundle=bundle, card=card, settings=settings, stages=stages), list[str]()
    built = [
        plans
        for backend in backends
        for entry in graphs
        for plans in _or_skip(_name(backend.name, entry.precision), skipped, stages, builder.build, backend, entry)
    ]
    _refuse_nothing(path, built, skipped)
    measured = list[Measured]()
    if card.device is None:
        _check_kept(path, builder.done, settings, stages)
    else:
        measured = _measure(bundle, card.device, built, skipped, settings, stages)
    return EnginesReport(
        bundle=path.name,
        target=card.name,
        plans=tuple(builder.done),
        configurations=tuple(each.found for each in measured),
        skipped=(*reasons, *skipped),
        next_command=_next_command(path, settings) if card.device is None else None,
    )


def _check_task(bundle: Bundle) -> None:
    """Refuse a network that runs on the CPU only: it answers every pixel, its length is dynamic, its rows are large."""
    fold = bundle.manifest.images_a_row
    for refused, why in (
        (bundle.manifest.task == "segmentation", "the network answers every pixel"),
        (bundle.manifest.lengths, "the network has a dynamic sequence length"),
        (fold > MOST_FOLD, f"the network is folded by {fold}, more than {MOST_FOLD}"),
    ):
        if refused:
            problem = f"{why}, and such networks run on the CPU only"
            raise EngineError(str(bundle.path), problem, "Run it with --engine onnxruntime or openvino")


def _measure(
    bundle: Bundle, device: Device, built: list[Built], skipped: list[str], settings: EnginesSettings, stages: Stages
) -> list[Measured]:
    """Measure every set of plans and add them to the bundle, the fastest first."""
    data = load_tuning_data(bundle, settings, stages)
    meter = CardMeter(bundle=bundle, device=device, data=data, settings=settings, stages=stages)
    measured = [
        Measured(found=found, built=plans)
        for plans in built
        for found in _or_skip(_name(plans.backend.name, plans.graphs.precision), skipped, stages, meter.measure, plans)
    ]
    _refuse_nothing(bundle.path, measured, skipped)
    measured.sort(key=lambda each: each.found.expected_ms)
    with stages.stage("write the bundle"):
        tried = {configuration_name(each.backend.name, each.graphs.precision, device.name) for each in built}
        lost = add_configurations(bundle, device, measured, settings, tried=tried)
    for reason in lost:
        stages.warn(reason)
    return measured


def _name(engine: str, precision: str) -> str:
    return f"{engine} {precision}"


def _or_skip(name: str, skipped: list[str], stages: Stages, work: Callable[..., T], *given: object) -> list[T]:
    """The result of some work, or nothing where an engine refuses, which is noted: the others go on."""
    try:
        return [work(*given)]
    except EngineError as error:
        skipped.append(f"{name}: {error.where}: {error.problem}")
        stages.warn(skipped[-1])
        return []


def _refuse_nothing(path: Path, results: list[T], skipped: list[str]) -> None:
    """Refuse to go on where every engine was skipped."""
    if not results:
        raise EngineError(str(path), "; ".join(skipped), "Choose another --engine or --precision, or build again")


def _check_kept(path: Path, plans: list[BuiltPlan], settings: EnginesSettings, stages: Stages) -> None:
    """Plans that were built ahead are of use only where they are kept."""
    lost = [plan for plan in plans if plan.not_kept]
    if lost:
        raise EngineError(
            str(path),
            f"{len(lost)} of {len(plans)} plans are not kept: {lost[0].label}: {lost[0].not_kept}",
            "Make the bundle writable, or give a larger --cache-size",
        )
    together = sum(plan.plan_bytes for plan in plans)
    if together > settings.cache_bytes:
        stages.warn(
            f"the plans have {together // MIB} MiB, the cache {settings.cache_bytes // MIB} MiB: those built first are "
            "gone again; give a larger --cache-size"
        )


def _next_command(path: Path, settings: EnginesSettings) -> str:
    """What measures these plans where the card is; it takes them, although another machine has built them."""
    command = ["eecompile", "engines", path.name, "--trust-plans"]
    if settings.engine != "auto":
        command += ["--engine", settings.engine]
    if settings.precision != "auto":
        command += ["--precision", settings.precision]
    if settings.buckets is not None:
        command += ["--buckets", ",".join(map(str, settings.buckets))]
    if settings.workspace_bytes is not None:
        command += ["--workspace", str(settings.workspace_bytes // MIB)]
    if settings.optimisation_level is not None:
        command += ["--optimisation-level", str(settings.optimisation_level)]
    return shlex.join(command)
