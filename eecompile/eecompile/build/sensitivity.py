"""Keep in float as many layers and heads as the bound on answers that differ from float32 needs."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

from eecalib.agreement import answers_kept, exits_agreement, keeps_bound
from eecalib.record import record_exits
from eecompile.build.candidates import Candidate
from eecompile.build.float32_chain import Float32Chain
from eecompile.build.lower_graphs import Graphs, Lowering
from eecompile.build.measured_costs import open_executor
from eecompile.build.prepare import Prepared
from eecompile.build.settings import BuildSettings
from eecompile.build.suspects import Suspect, measure_suspects
from eecompile.build.trial import load_candidate
from eecompile.stages import Stages
from eengines.backends import load_backend
from eengines.threads import threads_or_default

__all__ = ["keep_sensitive"]

LOOKED_AT, LOGITS_BYTES = 256, 1 << 27
"""Samples of *calib* that damage is measured on, and most bytes of their logits at all exits: then fewer are taken."""

JUDGE = Candidate(engine="onnxruntime", precision="int8")
"""What runs the graphs: it takes those of every family."""

SHOWN = 8

Lower = Callable[[Lowering], Graphs]


def keep_sensitive(
    prepared: Prepared,
    float32: Float32Chain,
    source: Lowering,
    lower: Lower,
    settings: BuildSettings,
    stages: Stages,
) -> Lowering:
    """Return what to lower from: as given if INT8 keeps the bound, else with the most harmful nodes in float.

    Nodes are kept in float in the order of their damage, 1, 2, 4, … at a time, until the bound is kept.

    Args:
        prepared: the network in segments, and the data.
        float32: what the answers are compared with.
        source: ranges, and what stays in float anyway.
        lower: writes the INT8 graphs of one family.
        settings: the bound, and threads.
        stages: where progress is shown.
    """
    alike = _alike(prepared, float32, lower(source), settings, stages)
    if keeps_bound(alike, settings.max_quant_drop):
        return source
    stages.detail(
        f"INT8 changes {1 - min(alike):.2%} of the answers on tune, allowed are {settings.max_quant_drop:.2%}"
    )
    suspects = _suspects(prepared, float32, source, settings, stages)
    count, kept = 1, source
    while not keeps_bound(alike, settings.max_quant_drop) and count < 2 * len(suspects):
        harmful = suspects[:count]
        kept = replace(source, keep_float=source.keep_float | frozenset().union(*(s.nodes for s in harmful)))
        alike = _alike(prepared, float32, lower(kept), settings, stages)
        worst = ", ".join(f"{s.name} ({s.damage:.1e})" for s in harmful[:SHOWN])
        stages.detail(f"with {len(harmful)} in float, {1 - min(alike):.2%} of the answers change; the worst: {worst}")
        count *= 2
    return kept


def _suspects(
    prepared: Prepared, float32: Float32Chain, source: Lowering, settings: BuildSettings, stages: Stages
) -> tuple[Suspect, ...]:
    """Layers and heads, the most harmful first."""
    sample_bytes = 4 * float32.executor.segments * prod(float32.executor.output_shape)
    looked_at = max(1, min(LOOKED_AT, LOGITS_BYTES // sample_bytes))
    samples = prepared.fitted({name: array[:looked_at] for name, array in prepared.splits["calib"].inputs.items()})
    with stages.stage("find out which layers suffer from INT8"):
        threads = threads_or_default(settings.threads)
        return measure_suspects(source, float32, samples, prepared=prepared, threads=threads, stages=stages)


def _alike(
    prepared: Prepared, float32: Float32Chain, graphs: Graphs, settings: BuildSettings, stages: Stages
) -> tuple[float, float]:
    """Share of the *tune* answers that are the same in INT8 and float32: at the final exit, and where samples leave."""
    if float32.recorded is None:
        return 1.0, 1.0
    threads = threads_or_default(settings.threads)
    loaded = load_candidate(JUDGE, graphs, load_backend(JUDGE.engine), prepared, threads=threads)
    with stages.stage("compare INT8 with float32"):
        table = record_exits(
            open_executor(loaded, float32.measured, prepared), prepared.recordable("tune"), stages.progress
        )
    reference = float32.recorded.tune
    return exits_agreement(table, reference)[-1], answers_kept(table, reference, float32.thresholds)
