"""List what was measured on a card in the bundle."""

from dataclasses import dataclass, replace

from eecompile.device_engines.build_plans import Built
from eecompile.device_engines.report import MeasuredConfiguration
from eecompile.device_engines.settings import EnginesSettings
from eengines.device import Device
from eengines.errors import BundleError
from eerun.bundle import Bundle, ConfigurationEntry, DeviceEntry, Manifest, amend_bundle

__all__ = ["Measured", "add_configurations"]

US_PER_MS = 1e3


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One set of plans, and what it does."""

    found: MeasuredConfiguration
    built: Built


def add_configurations(
    bundle: Bundle, device: Device, measured: list[Measured], settings: EnginesSettings, *, tried: set[str]
) -> tuple[str, ...]:
    """Put the bundle with new configurations in the place of the old one; those of the same name are replaced.

    Configurations of this card come first, the fastest in front, then those of other cards, then those of the CPU. New
    ones have no certificate: what an older one of the name had rests on other engines.

    Args:
        bundle: as it was when the plans were built.
        device: the card.
        measured: what to add.
        settings: how the plans were built.
        tried: names of all that was built; those that are not in `measured` were refused, and go if an earlier run had
            added them.

    Returns:
        Which configurations had a certificate and have none now, in words.

    Raises:
        BundleError: the bundle was built again meanwhile, so that its graphs are others than those that were measured.
    """
    new = [_entry(each, device, settings) for each in measured]
    files: dict[str, object] = {}
    for each, entry in zip(measured, new, strict=True):
        policy = bundle.read_policy(each.built.graphs.policy)
        files[entry.policy] = replace(policy, thresholds=each.found.thresholds, certificate=None, fallbacks=())
        files[entry.costs] = each.found.costs

    def change(manifest: Manifest) -> tuple[ConfigurationEntry, ...]:
        _check_same_graphs(bundle, manifest, new)
        return _together(manifest, new, device.name, tried)

    lost = tuple(
        f"certificate of {entry.name}: its engines are new; certify again with `eecompile tune --certify`"
        for entry in bundle.manifest.configurations
        if entry.name in tried and bundle.policy(entry).certificate is not None
    )
    amend_bundle(bundle.path, change, files)
    return lost


def _check_same_graphs(bundle: Bundle, manifest: Manifest, new: list[ConfigurationEntry]) -> None:
    """The graphs in the bundle are those that were measured."""
    for file in {file for entry in new for file in (*entry.segments, entry.whole)}:
        if manifest.files.get(file) != bundle.manifest.files[file]:
            raise BundleError(
                f"{bundle.path}/{file}",
                "it is another graph than the one that was measured: the bundle was built again meanwhile",
                "Run `eecompile engines` again",
            )


def _together(
    manifest: Manifest, new: list[ConfigurationEntry], card: str, tried: set[str]
) -> tuple[ConfigurationEntry, ...]:
    """All configurations, in their order."""
    entries = [*new, *(entry for entry in manifest.configurations if entry.name not in tried)]
    here = [entry for entry in entries if entry.device is not None and entry.device.name == card]
    here.sort(key=lambda entry: 0.0 if entry.device is None else entry.device.expected_us)
    others = [entry for entry in entries if entry.device is not None and entry.device.name != card]
    return (*here, *others, *(entry for entry in entries if entry.device is None))


def _entry(measured: Measured, device: Device, settings: EnginesSettings) -> ConfigurationEntry:
    """The entry of one configuration in the manifest."""
    found, graphs = measured.found, measured.built.graphs
    major, minor = device.compute_capability or (0, 0)
    return ConfigurationEntry(
        engine=found.costs.engine,
        precision=found.costs.precision,
        segments=graphs.segments,
        whole=graphs.whole,
        policy=f"policy/{found.name}.json",
        costs=f"costs/{found.name}.json",
        agreement=found.agreement,
        device=DeviceEntry(
            name=device.name,
            compute_capability=f"{major}.{minor}",
            expected_us=found.expected_ms / found.batch * US_PER_MS,
            workspace_bytes=settings.workspace_bytes,
            optimisation_level=settings.optimisation_level,
        ),
    )
