"""From what a refresh made to its report."""

from collections.abc import Mapping

from eecompile.ingest.source_hash import source_hash
from eecompile.refresh.report import RefreshReport, RefreshSeconds
from eecompile.refresh.retune import Retuned
from eecompile.refresh.settings import RefreshSettings
from eecompile.refresh.train_exits import TrainedExits
from eecompile.refresh.write_refresh import Replacement, lost_certificates, stale_targets
from eerun.bundle import Bundle, ConfigurationEntry

__all__ = ["make_report"]


def make_report(
    new: Replacement, trained: TrainedExits, settings: RefreshSettings, seconds: RefreshSeconds
) -> RefreshReport:
    """Return the report as it is before anything is written.

    Args:
        new: what takes the place of what.
        trained: the heads before and after.
        settings: what the user chose.
        seconds: of the steps so far.
    """
    bundle, source, checkpoint, retuned = new.bundle, new.source, new.checkpoint, new.retuned
    fastest = _fastest_whole(bundle, retuned)
    whole_ms = retuned.costs[fastest.name].whole_ms[-1]
    return RefreshReport(
        bundle=bundle.path.absolute().name,
        model=str(source.path if checkpoint is None else new.output),
        written=checkpoint is not None or retuned.changes,
        source_sha256_before=source.sha256,
        source_sha256=source.sha256 if checkpoint is None else source_hash([checkpoint]),
        target=settings.train.target,
        min_gain=settings.min_gain,
        max_drop=retuned.max_drop,
        tuned_for=retuned.tuned_for,
        drop_measure=retuned.drop_measure,
        samples={
            **{name: len(samples) for name, samples in new.splits.items()},
            "validation": trained.report.validation_samples,
        },
        heads=trained.heads,
        segments=len(bundle.manifest.segments),
        chosen_before=bundle.manifest.chosen.name,
        before=retuned.before,
        configurations=retuned.configurations,
        observed=new.graphs.observed,
        dropped=(
            *_with_reasons(retuned.dropped),
            *stale_targets(bundle, new.graphs),
            *lost_certificates(new),
        ),
        left=_with_reasons(retuned.left),
        batch=bundle.costs(bundle.manifest.chosen).max_batch,
        whole_ms=whole_ms,
        fastest_whole=f"{fastest.engine} {fastest.precision}",
        exits_pay=retuned.configurations[0].test.expected_ms < whole_ms,
        device=trained.report.device,
        seconds=seconds,
    )


def _fastest_whole(bundle: Bundle, retuned: Retuned) -> ConfigurationEntry:
    """The configuration on the CPU, of those that stay, in which the whole network is the fastest."""
    entries = {entry.name: entry for entry in bundle.manifest.configurations}
    return entries[min(retuned.order, key=lambda name: retuned.costs[name].whole_ms[-1])]


def _with_reasons(found: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {reason}" for name, reason in found.items())
