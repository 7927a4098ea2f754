"""Graphs for TensorRT on a device that is not here: lowered, checked in ONNX Runtime, tuned."""

from dataclasses import dataclass

from eecalib.record import record_exits
from eecompile.build.agreement import exits_agreement
from eecompile.build.candidates import Candidate
from eecompile.build.float32_chain import Float32Chain
from eecompile.build.lower_graphs import (
    Graphs,
    Lowering,
    Models,
    quantise_models,
    serialize_all,
    to_half_models,
)
from eecompile.build.prepare import Prepared
from eecompile.build.recorded import Recorded
from eecompile.build.sensitivity import keep_sensitive
from eecompile.build.settings import BuildSettings
from eecompile.build.stages import Stages
from eecompile.build.trial import load_candidate
from eecompile.build.tune import tune
from eecompile.passes.lower_opset import lower_opset
from eengines.backends import load_backend
from eengines.errors import BuildError
from eengines.targets import Target, target_by_name
from eengines.threads import threads_or_default
from eerun.executor import ChainExecutor

__all__ = ["TargetGraphs", "target_graphs"]

PRECISIONS = ("float32", "float16", "int8")
CHECKED_WITH = "onnxruntime"


@dataclass(frozen=True, kw_only=True)
class TargetGraphs:
    """Graphs of one precision for one device.

    Attributes:
        target: its name.
        precision: of the graphs.
        opset: of the graphs.
        graphs: serialized.
        thresholds: tuned on what these graphs say in ONNX Runtime, with the costs of the float32 chain.
        agreement: share of the *tune* samples that the final exit answers as in float32; None without data.
    """

    target: str
    precision: str
    opset: int
    graphs: Graphs
    thresholds: tuple[float | None, ...]
    agreement: float | None


def target_graphs(
    prepared: Prepared, source: Lowering, float32: Float32Chain, settings: BuildSettings, stages: Stages
) -> tuple[TargetGraphs, ...]:
    """Return graphs in the precision that the user wants, or in every one that the device has; none for a CPU.

    Raises:
        BuildError: a graph cannot be written for the device, or answers too often otherwise than float32. What the user
            did not ask for by name is left out instead.
    """
    target = target_by_name(settings.target)
    if target.compute_capability is None:
        return ()
    found = []
    for precision in PRECISIONS if settings.wanted == "auto" else (settings.wanted,):
        if precision not in target.precisions or (precision == "int8" and source.ranges is None):
            stages.detail(f"no {precision} graphs for {target.name}")
            continue
        made = _make(prepared, source, float32, (target, precision), settings, stages)
        if made.agreement is None or made.agreement >= 1 - settings.max_quant_drop:
            found.append(made)
            continue
        problem = f"{1 - made.agreement:.2%} of the answers differ from float32, allowed {settings.max_quant_drop:.2%}"
        if settings.wanted == precision:
            remedy = "Allow more with --max-quant-drop, or keep the layers that suffer in float with --keep-float"
            raise BuildError(f"--target {target.name} {precision}", problem, remedy)
        stages.warn(
            f"no {precision} graphs for {target.name}: {problem}; ask for --{precision} to keep layers in float"
        )
    return tuple(found)


def _make(
    prepared: Prepared,
    source: Lowering,
    float32: Float32Chain,
    wanted: tuple[Target, str],
    settings: BuildSettings,
    stages: Stages,
) -> TargetGraphs:
    """Graphs of one precision, checked and tuned."""
    target, precision = wanted
    half = settings.fp16 or settings.wanted == "auto"
    opset = _opset(source, target, precision, half=half)

    def lower(given: Lowering) -> Graphs:
        models = _models(given, precision, half=half)
        for model in (*models.segments, models.whole):
            if model.opset_imports[""] > opset:
                lower_opset(model, opset=opset)
        return serialize_all(models)

    if precision == settings.wanted == "int8":
        source = keep_sensitive(prepared, float32, source, lower, settings, stages)
    with stages.stage(f"lower to {precision} for {target.name}, check in ONNX Runtime"):
        graphs = lower(source)
        recorded, agreement = _check(prepared, float32, graphs, precision, settings, stages)
    return TargetGraphs(
        target=target.name,
        precision=precision,
        opset=opset,
        graphs=graphs,
        thresholds=tune(recorded, float32.recorded, float32.costs, settings, stages).thresholds,
        agreement=agreement,
    )


def _check(
    prepared: Prepared,
    float32: Float32Chain,
    graphs: Graphs,
    precision: str,
    settings: BuildSettings,
    stages: Stages,
) -> tuple[Recorded | None, float | None]:
    """Run the graphs in ONNX Runtime: what their exits say, and how often the final one answers as in float32."""
    candidate = Candidate(engine=CHECKED_WITH, precision=precision)
    backend, threads = load_backend(CHECKED_WITH), threads_or_default(settings.threads)
    loaded = load_candidate(candidate, graphs, backend, prepared, threads=threads)
    executor = ChainExecutor(loaded.chain, float32.costs)
    if float32.recorded is None:
        executor.record({name: array[: executor.max_batch] for name, array in prepared.samples.items()})
        return None, None
    table = record_exits(executor, prepared.splits["tune"], stages.progress)
    return Recorded(tune=table, test=table), exits_agreement(table, float32.recorded.tune)[-1]


def _opset(source: Lowering, target: Target, precision: str, *, half: bool) -> int:
    """The opset of the graphs as they are written, or the newest that the device's TensorRT reads."""
    models = _models(source, precision, half=half)
    opset = max(model.opset_imports[""] for model in (*models.segments, models.whole))
    return opset if target.onnx_opset is None else min(opset, target.onnx_opset)


def _models(source: Lowering, precision: str, *, half: bool) -> Models:
    """TensorRT's own patterns; for INT8, `half` makes the rest float16."""
    if precision == "int8":
        rest = to_half_models(source, "float16") if half else _float32(source)
        return quantise_models(source, rest.segments, rest.whole, family="tensorrt", crossing=frozenset())
    return to_half_models(source, "float16") if precision == "float16" else _float32(source)


def _float32(source: Lowering) -> Models:
    split = source.split
    return Models(segments=tuple(s.model.clone() for s in split.segments), whole=split.whole.clone())
