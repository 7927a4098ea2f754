"""Put the refreshed checkpoint and bundle in their places."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eecompile.build.write import producer
from eecompile.ingest.source_hash import source_hash
from eecompile.refresh.new_graphs import NewGraphs
from eecompile.refresh.pending_model import finish_pending, put_pending, write_pending
from eecompile.refresh.report import RefreshReport
from eecompile.refresh.retune import Retuned
from eecompile.refresh.source_model import SourceModel
from eecompile.tune.pictures import PNG, SVG
from eengines.errors import BundleError
from eerun.bundle import (
    REFRESH_NAME,
    TUNE_NAME,
    Bundle,
    Manifest,
    SplitEntry,
    TargetEntry,
    bundle_lock,
    open_bundle,
    rewrite_bundle,
)
from eerun.data import Samples, digest

__all__ = ["Replacement", "lost_certificates", "stale_targets", "write_refresh"]

TUNED = (TUNE_NAME, PNG, SVG)
"""What was tried before: it is not what the refreshed bundle does."""


@dataclass(frozen=True, eq=False)
class Replacement:
    """What takes the place of what.

    Attributes:
        bundle: as it was when the refresh began.
        source: the checkpoint that was refreshed.
        checkpoint: the one with refreshed heads, in a temporary folder; None: no head was replaced.
        output: where it shall be.
        graphs: new graphs.
        retuned: new thresholds, and costs of the recent lengths.
        splits: the recent samples.
    """

    bundle: Bundle
    source: SourceModel
    checkpoint: Path | None
    output: Path
    graphs: NewGraphs
    retuned: Retuned
    splits: Mapping[str, Samples]


def write_refresh(new: Replacement, report: RefreshReport) -> None:
    """Replace what has changed: the checkpoint waits beside its place, the bundle is replaced, the checkpoint is put.

    Args:
        new: what takes the place of what.
        report: what is stored in the bundle.

    Raises:
        BundleError: bundle or checkpoint have changed meanwhile, or a file that stays is damaged.
        UserError: something cannot be written.
    """
    bundle = new.bundle
    with bundle_lock(bundle.path):
        _check_same_source(bundle, new.source.path)
        files = {**_files(new), REFRESH_NAME: report}

        def change(manifest: Manifest) -> Manifest:
            _check_same_bundle(bundle, manifest)
            changed = _with_graphs(manifest, new.graphs, new.retuned)
            changed = replace(changed, producer=producer(), splits={**manifest.splits, **_recent(new.splits)})
            if new.checkpoint is None:
                return changed
            return replace(changed, source=new.output.name, source_sha256=report.source_sha256)

        if new.checkpoint is None:
            rewrite_bundle(bundle.path, change, files, drop=TUNED)
            return
        try:
            write_pending(new.checkpoint, new.output, bundle.path)
            rewrite_bundle(bundle.path, change, files, drop=TUNED)
            put_pending(new.output, bundle.path)
        finally:
            finish_pending(new.output, open_bundle(bundle.path))


def stale_targets(bundle: Bundle, graphs: NewGraphs) -> tuple[str, ...]:
    """Say which graphs for GPUs go, because their heads are the old ones."""
    if not graphs.files:
        return ()
    manifest = bundle.manifest
    cards = [entry.name for entry in manifest.configurations if entry.device is not None]
    targets = list(dict.fromkeys(entry.target for entry in manifest.targets))
    again = f"build again with --target {','.join(targets)}, then run `eecompile engines`"
    return tuple(f"{name}: it has the old heads; {again}" for name in (*(f"target {name}" for name in targets), *cards))


def lost_certificates(new: Replacement) -> tuple[str, ...]:
    """Say which configurations stay without their certificate, because it rests on old thresholds or graphs."""
    entries = {entry.name: entry for entry in new.bundle.manifest.configurations}
    return tuple(
        f"certificate of {name}: graphs or thresholds are new; certify again with `eecompile tune --certify`"
        for name in _changed_policies(new)
        if new.bundle.policy(entries[name]).certificate is not None
    )


def _changed_policies(new: Replacement) -> tuple[str, ...]:
    """Names of the configurations whose thresholds change, or the graphs that a certificate and fallbacks rest on."""
    entries = {entry.name: entry for entry in new.bundle.manifest.configurations}
    changed = {way.name for way in new.retuned.configurations if way.thresholds != way.thresholds_before}
    for name in new.retuned.order:
        entry, policy = entries[name], new.bundle.policy(entries[name])
        others = any(file in new.graphs.files for file in (*entry.segments, *entry.heads))
        if others and (policy.certificate is not None or policy.fallbacks):
            changed.add(name)
    return tuple(name for name in new.retuned.order if name in changed)


def _files(new: Replacement) -> dict[str, object]:
    """What is added or replaced, by path."""
    manifest, files = new.bundle.manifest, dict[str, object](new.graphs.files)
    if new.graphs.ranges is not None and manifest.ranges is not None:
        files[manifest.ranges] = new.graphs.ranges
    entries = {entry.name: entry for entry in manifest.configurations}
    thresholds = {way.name: way.thresholds for way in new.retuned.configurations}
    for name in _changed_policies(new):
        policy = new.bundle.policy(entries[name])
        kept = thresholds.get(name, policy.thresholds)
        files[entries[name].policy] = replace(policy, thresholds=kept, certificate=None, fallbacks=())
    if manifest.lengths:
        files |= {entries[name].costs: new.retuned.costs[name] for name in new.retuned.order}
    return files


def _with_graphs(manifest: Manifest, graphs: NewGraphs, retuned: Retuned) -> Manifest:
    """What stays of configurations and targets; graphs for GPUs go where those for the CPU change."""
    entries = {entry.name: entry for entry in manifest.configurations}
    for way in retuned.configurations:
        entries[way.name] = replace(entries[way.name], agreement=way.agreement)
    cards = [entry.name for entry in manifest.configurations if entry.device is not None and not graphs.files]
    targets: tuple[TargetEntry, ...] = () if graphs.files else manifest.targets
    order = (*cards, *retuned.order)
    ways = tuple(entries[name] for name in order)
    return replace(manifest, configurations=ways, targets=targets, lengths=retuned.lengths)


def _recent(splits: Mapping[str, Samples]) -> dict[str, SplitEntry]:
    """Beside the splits of the build."""
    return {f"recent-{name}": SplitEntry(samples=len(part), sha256=digest(part)) for name, part in splits.items()}


def _check_same_source(bundle: Bundle, source: Path) -> None:
    """The checkpoint is still the one that was refreshed."""
    if not source.is_file() or source_hash([source]) != bundle.manifest.source_sha256:
        raise BundleError(str(source), "it was changed while the refresh ran", "Refresh again")


def _check_same_bundle(bundle: Bundle, manifest: Manifest) -> None:
    """The bundle is still the one that was refreshed."""
    if manifest != bundle.manifest:
        raise BundleError(str(bundle.path), "it was changed while the refresh ran", "Refresh again")
