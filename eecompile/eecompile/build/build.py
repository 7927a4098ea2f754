"""The build, stage by stage: prepare, the float32 chain, calibrate, the other candidates, choose, write."""

from pathlib import Path
from time import perf_counter

from eecompile.build.candidates import find_candidates
from eecompile.build.choose import choose
from eecompile.build.float16_source import float16_source
from eecompile.build.float32_chain import run_float32
from eecompile.build.fold_entry import fold_entry
from eecompile.build.int8_source import int8_source
from eecompile.build.keep_float import named_nodes
from eecompile.build.lower_graphs import Lowering
from eecompile.build.make_report import make_report
from eecompile.build.pictures import add_pictures
from eecompile.build.prepare import prepare
from eecompile.build.report import BuildReport
from eecompile.build.settings import BuildSettings
from eecompile.build.target_graphs import target_graphs
from eecompile.build.trials import run_trials
from eecompile.build.write import write_bundle
from eecompile.stages import Stages
from eengines.backends.onnxruntime import session_options
from eengines.threads import threads_or_default
from eerun.bundle import BundleWriter

__all__ = ["build"]


def build(model: Path, settings: BuildSettings, stages: Stages, *, name: str | None = None) -> BuildReport:
    """Build a bundle from a model file.

    Args:
        model: a checkpoint, an ONNX graph, or (with `trust`) a torch archive.
        settings: what the user chose.
        stages: where progress is shown.
        name: file name of the model that the user gave, for the bundle; None: that of `model`.

    Returns:
        What was measured; the same is in the bundle.

    Raises:
        UserError: settings, data or the model file cannot be used.
        BuildError: the network cannot be compiled.
        EngineError: the engine is missing or refuses a segment.
    """
    started = perf_counter()
    target = settings.output or model.with_suffix(".ee")
    session_options(threads_or_default(settings.threads))  # before any other session of this process fixes the number
    with BundleWriter(target) as writer:
        prepared = prepare(model, settings, stages)
        candidates, untried = find_candidates(settings, calibrated="calib" in prepared.splits)
        for reason in untried:
            stages.detail(reason)
        keep = named_nodes(prepared.split, prepared.ingested.exits, settings.keep_float or ())
        source = Lowering(split=prepared.split, ranges=None, keep_float=keep)
        float32 = run_float32(prepared, source, settings, stages)
        if any(candidate.precision == "int8" for candidate in candidates):
            source = int8_source(prepared, float32, source, settings, stages)
        if settings.gpus or settings.wanted == "float16":
            source = float16_source(prepared, source, stages)
        targets = target_graphs(prepared, source, float32, settings, stages)
        trials = run_trials(prepared, source, float32, candidates, settings, stages)
        chosen = choose(trials, targets, settings, stages)
        report = make_report(
            prepared,
            chosen,
            source,
            settings,
            names=(name or model.name, target.name),
            chain_error=float32.chain_error,
            started=started,
        )
        for warning in report.warnings:
            stages.warn(warning)
        with stages.stage("write the bundle"):
            add_pictures(writer, prepared.split, source.ranges, report, stages)
            fold = fold_entry(model, factor=prepared.fold, widths=prepared.ingested.fold_widths)
            write_bundle(writer, prepared, source, chosen, report, fold=fold)
    return report
