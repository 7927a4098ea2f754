"""From the graphs of a bundle to engines: build plans, measure and tune them if the card is here, add them."""

from pathlib import Path

from eecompile.device_engines.build_plans import Built, PlanBuilder, usable_backends
from eecompile.device_engines.card import find_card, graphs_for
from eecompile.device_engines.measure_card import CardMeter
from eecompile.device_engines.report import EnginesReport, MeasuredConfiguration
from eecompile.device_engines.settings import EnginesSettings
from eecompile.device_engines.tuning_data import load_tuning_data
from eecompile.stages import Stages
from eengines.device import Device
from eengines.errors import EngineError
from eerun.bundle import Bundle, ConfigurationEntry, DeviceEntry, PolicyFile, TargetEntry, amend_bundle, open_bundle

__all__ = ["build_engines"]


def build_engines(path: Path, settings: EnginesSettings, stages: Stages) -> EnginesReport:
    """Build every engine of a bundle for a card; where it is here, measure them and add them as configurations.

    Args:
        path: the bundle's folder.
        settings: what the user chose.
        stages: where progress is shown.

    Raises:
        UserError: settings or data cannot be used, or the bundle has no graphs for the card.
        BundleError: the bundle is damaged.
        EngineError: no backend can build here, or all of them refuse the graphs.
    """
    bundle = open_bundle(path)
    card = find_card(settings.target, settings.device)
    graphs = graphs_for(bundle.manifest, card, precision=settings.precision, where=str(path))
    backends, skipped = usable_backends(card, settings)
    buckets = settings.buckets or bundle.costs(bundle.manifest.chosen).buckets
    builder = PlanBuilder(bundle=bundle, card=card, settings=settings, stages=stages)
    built, refused = list[Built](), list[str]()
    for backend in backends:
        for entry in graphs:
            try:
                built.append(builder.build(backend, entry, tuple(sorted(set(buckets)))))
            except EngineError as error:
                refused.append(f"{backend.name} {entry.precision}: {error.where}: {error.problem}")
                stages.warn(refused[-1])
    if not built:
        raise EngineError(str(path), "; ".join(refused), "Build the bundle again with another precision")
    measured = () if card.device is None else _measure(bundle, card.device, built, settings, stages)
    return EnginesReport(
        bundle=path.name,
        target=card.name,
        plans=tuple(builder.done),
        configurations=measured,
        skipped=(*skipped, *refused),
    )


def _measure(
    bundle: Bundle, device: Device, built: list[Built], settings: EnginesSettings, stages: Stages
) -> tuple[MeasuredConfiguration, ...]:
    """Measure every set of plans, and put the bundle with its new configurations in the place of the old one."""
    data = load_tuning_data(bundle, settings, stages)
    buckets = settings.buckets or bundle.costs(bundle.manifest.chosen).buckets
    meter = CardMeter(
        bundle=bundle,
        device=device,
        buckets=tuple(sorted(set(buckets))),
        data=data,
        settings=settings,
        stages=stages,
    )
    found = [(meter.measure(each), each) for each in built]
    found.sort(key=lambda pair: pair[0].expected_ms)
    with stages.stage("write the bundle"):
        _add(bundle, device, found, settings)
    return tuple(measured for measured, _ in found)


def _add(
    bundle: Bundle, device: Device, found: list[tuple[MeasuredConfiguration, Built]], settings: EnginesSettings
) -> None:
    """List configurations in front of the others, the fastest first; those of the same name are replaced."""
    policy = bundle.policy(bundle.manifest.chosen).policy
    new = {measured.name: _entry(measured, each.graphs, device, settings) for measured, each in found}
    files: dict[str, object] = {}
    for measured, _ in found:
        entry = new[measured.name]
        files[entry.policy] = PolicyFile(policy=policy, thresholds=measured.thresholds)
        files[entry.costs] = measured.costs
    kept = [entry for entry in bundle.manifest.configurations if entry.name not in new]
    amend_bundle(bundle, (*new.values(), *kept), files)


def _entry(
    measured: MeasuredConfiguration, graphs: TargetEntry, device: Device, settings: EnginesSettings
) -> ConfigurationEntry:
    """The entry of one configuration in the manifest."""
    major, minor = device.compute_capability or (0, 0)
    return ConfigurationEntry(
        engine=measured.costs.engine,
        precision=measured.costs.precision,
        segments=graphs.segments,
        whole=graphs.whole,
        policy=f"policy/{measured.name}.json",
        costs=f"costs/{measured.name}.json",
        agreement=measured.agreement,
        device=DeviceEntry(
            name=device.name,
            compute_capability=f"{major}.{minor}",
            workspace_bytes=settings.workspace_bytes,
            optimisation_level=settings.optimisation_level,
        ),
    )
