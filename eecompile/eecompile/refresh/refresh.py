"""A refresh, step by step: load, train the heads, write the graphs that change, tune thresholds, replace."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from eecompile.checkpoint import save_checkpoint
from eecompile.refresh.make_report import make_report
from eecompile.refresh.new_graphs import NO_GRAPHS, make_graphs
from eecompile.refresh.recent_data import recent_splits
from eecompile.refresh.refreshed_checkpoint import refreshed_checkpoint
from eecompile.refresh.report import RefreshReport, RefreshSeconds
from eecompile.refresh.retune import retune
from eecompile.refresh.settings import RefreshSettings
from eecompile.refresh.source_model import SourceModel, load_source
from eecompile.refresh.train_exits import TrainedExits, train_exits
from eecompile.refresh.write_refresh import Replacement, write_refresh
from eecompile.stages import Stages
from eengines.errors import UserError
from eerun.bundle import Bundle, check_amendable, open_bundle
from eerun.cli.output_file import check_writable
from eerun.data import Samples

__all__ = ["refresh"]


def refresh(path: Path, settings: RefreshSettings, stages: Stages) -> RefreshReport:
    """Train the heads of a bundle on recent samples, tune its thresholds on them, and replace what changes.

    The trunk stays bit for bit, and so do heads that do not gain. Until the last moment bundle and checkpoint are as
    they were; then they change in one step. Where nothing gains and the old thresholds still do, nothing is written.
    A model that was loaded from the bundle before goes on with the old heads.

    Args:
        path: the bundle's folder.
        settings: what the user chose.
        stages: where progress is shown.

    Returns:
        What was measured and replaced; the same is in the bundle.

    Raises:
        UserError: settings or data cannot be used, or the model has no attached heads.
        BundleError: the bundle is damaged, the checkpoint is not its own, or somebody else has changed them meanwhile.
        BuildError: the network is another one than that of the bundle in more than weights, or no head can be trained.
        EngineError: ONNX Runtime refuses the new graphs.
    """
    started = perf_counter()
    bundle = open_bundle(path)
    check_amendable(path)
    _refuse_heads(bundle)
    source, output, splits = _load(bundle, settings, stages)
    trained = train_exits(source, splits["train"], settings.train, min_gain=settings.min_gain, stages=stages)
    with TemporaryDirectory(prefix="eecompile-refresh-") as folder:
        clock = perf_counter()
        checkpoint = _save(source, trained, Path(folder))
        graphs = NO_GRAPHS
        if checkpoint is not None:
            graphs = make_graphs(bundle, checkpoint, settings.factory, splits["train"].inputs, stages)
        graphs_seconds, clock = perf_counter() - clock, perf_counter()
        retuned = retune(bundle, graphs, splits, settings, stages)
        seconds = RefreshSeconds(
            features=trained.report.features_seconds,
            training=trained.report.seconds - trained.report.features_seconds,
            graphs=graphs_seconds,
            tuning=perf_counter() - clock,
            writing=None,
            total=perf_counter() - started,
        )
        new = Replacement(bundle, source, checkpoint, output, graphs, retuned, splits)
        report = make_report(new, trained, settings, seconds)
        clock = perf_counter()
        if report.written:
            with stages.stage("replace the bundle"):
                write_refresh(new, report)
    ended = perf_counter()
    return replace(report, seconds=replace(seconds, writing=ended - clock, total=ended - started))


def _load(bundle: Bundle, settings: RefreshSettings, stages: Stages) -> tuple[SourceModel, Path, Mapping[str, Samples]]:
    """The checkpoint, where the new one shall be, and the recent samples; refuses what cannot work before long work."""
    with stages.stage("load the model and recent samples"):
        source = load_source(bundle, settings.model, settings.factory, stages)
        output = source.path if settings.output is None else settings.output
        check_writable(output, flag="--output")
        shape = source.module.attachment.output
        return source, output, recent_splits(settings, bundle.manifest, output=shape)


def _refuse_heads(bundle: Bundle) -> None:
    """Heads that are graphs of their own cannot be written again yet.

    Raises:
        UserError: there are such.
    """
    if any(entry.heads for entry in bundle.manifest.configurations):
        problem = "its heads are graphs of their own, and a refresh writes whole segments"
        raise UserError(str(bundle.path), problem, "Run `eecompile tune --no-split-heads` first, and tune again later")


def _save(source: SourceModel, trained: TrainedExits, folder: Path) -> Path | None:
    """Write the checkpoint with the heads that have gained; None where none has."""
    if not trained.kept:
        return None
    checkpoint = folder / "model.pt"
    save_checkpoint(checkpoint, refreshed_checkpoint(source, trained.kept))
    return checkpoint
