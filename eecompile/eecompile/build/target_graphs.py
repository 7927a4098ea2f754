"""Graphs for TensorRT on a device that is not here: lowered, checked on this CPU, tuned."""

from dataclasses import dataclass

from eecalib.agreement import answers_kept, exits_agreement, keeps_bound
from eecalib.exit_table import ExitTable
from eecalib.record import record_exits
from eecompile.build.candidates import Candidate
from eecompile.build.chain_executor import chain_executor
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
from eecompile.build.sensitivity import keep_sensitive
from eecompile.build.settings import BuildSettings
from eecompile.build.trial import load_candidate
from eecompile.build.tune import tuned_thresholds
from eecompile.passes.lower_opset import lower_opset
from eecompile.passes.raise_opset import raise_opset
from eecompile.stages import Stages
from eengines.backends import load_backend
from eengines.errors import BuildError, DataError
from eengines.targets import Target
from eengines.threads import threads_or_default

__all__ = ["TargetGraphs", "target_graphs"]

PRECISIONS = ("float32", "float16", "bfloat16", "int8")
HALF_SCALES_OPSET = 19
"""From here on QuantizeLinear takes float16 scales."""


@dataclass(frozen=True, kw_only=True)
class TargetGraphs:
    """Graphs of one precision for one device.

    Attributes:
        target: its name.
        precision: of the graphs.
        opset: of the graphs.
        graphs: serialized.
        thresholds: tuned on what these graphs say on this CPU, with the costs of the float32 chain.
        agreement: share of the *tune* samples that the final exit answers as in float32; None without data.
        answers_kept: the same at the exit where each sample leaves in float32; None without data.
        keep_float: names of nodes that stay in float.
    """

    target: str
    precision: str
    opset: int
    graphs: Graphs
    thresholds: tuple[float | None, ...]
    agreement: float | None
    answers_kept: float | None
    keep_float: tuple[str, ...]

    def keeps(self, max_quant_drop: float) -> bool:
        """Whether it answers as float32 often enough, like any configuration."""
        if self.agreement is None or self.answers_kept is None:
            return True
        return keeps_bound((self.agreement, self.answers_kept), max_quant_drop)


def target_graphs(
    prepared: Prepared, source: Lowering, float32: Float32Chain, settings: BuildSettings, stages: Stages
) -> tuple[TargetGraphs, ...]:
    """Return graphs for each GPU, in the precision that the user wants, or in every one that the device has.

    Raises:
        BuildError: a graph cannot be written for a device, or answers too often otherwise than float32. What the user
            did not ask for by name is left out instead.
    """
    return tuple(
        graphs for target in settings.gpus for graphs in _for_one(prepared, source, float32, target, settings, stages)
    )


def _for_one(
    prepared: Prepared,
    source: Lowering,
    float32: Float32Chain,
    target: Target,
    settings: BuildSettings,
    stages: Stages,
) -> list[TargetGraphs]:
    """Graphs for one GPU."""
    found = []
    for precision in PRECISIONS if settings.wanted == "auto" else (settings.wanted,):
        if precision not in target.precisions or (precision == "int8" and source.ranges is None):
            stages.detail(f"no {precision} graphs for {target.name}")
            continue
        try:
            found.append(_make(prepared, source, float32, (target, precision), settings, stages))
        except (BuildError, DataError) as error:
            if settings.wanted == precision:
                raise
            stages.warn(f"no {precision} graphs for {target.name}: {error.where}: {error.problem}")
    return found


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
    half = precision == "float16" or (precision == "int8" and (settings.fp16 or settings.wanted == "auto"))

    def lower(given: Lowering) -> Models:
        return _at_most(_models(given, precision, half=half), target.onnx_opset)

    if precision == settings.wanted == "int8":
        source = keep_sensitive(prepared, float32, source, lambda given: serialize_all(lower(given)), settings, stages)
    with stages.stage(f"lower to {precision} for {target.name}, check in {_checker(precision)}"):
        models = lower(source)
        graphs = serialize_all(models)
        table = _record(prepared, float32, graphs, precision, settings, stages)
    made = TargetGraphs(
        target=target.name,
        precision=precision,
        opset=max(model.opset_imports[""] for model in (*models.segments, models.whole)),
        graphs=graphs,
        thresholds=_thresholds(table, float32, settings, stages),
        agreement=None if table is None else exits_agreement(table, _reference(float32))[-1],
        answers_kept=None if table is None else answers_kept(table, _reference(float32), float32.thresholds),
        keep_float=tuple(sorted(source.stays_float(half=half))),
    )
    if not made.keeps(settings.max_quant_drop):
        alike = min(share for share in (made.agreement, made.answers_kept) if share is not None)
        raise BuildError(
            f"--target {target.name} {precision}",
            f"{1 - alike:.2%} of the answers differ from float32, allowed are {settings.max_quant_drop:.2%}",
            "Allow more with --max-quant-drop, or keep the layers that suffer in float with --keep-float",
        )
    return made


def _record(
    prepared: Prepared,
    float32: Float32Chain,
    graphs: Graphs,
    precision: str,
    settings: BuildSettings,
    stages: Stages,
) -> ExitTable | None:
    """Run the graphs here on *tune*; without data only on some samples, and None."""
    engine = _checker(precision)
    candidate = Candidate(engine=engine, precision=precision)
    backend, threads = load_backend(engine), threads_or_default(settings.threads)
    loaded = load_candidate(candidate, graphs, backend, prepared, threads=threads)
    executor = chain_executor(loaded.chain, float32.costs)
    if float32.recorded is None:
        executor.record({name: array[: executor.max_batch] for name, array in prepared.samples.items()})
        return None
    return record_exits(executor, prepared.recordable("tune"), stages.progress)


def _reference(float32: Float32Chain) -> ExitTable:
    """What float32 says on *tune*."""
    assert float32.recorded is not None  # noqa: S101 - a table was recorded, so there are data
    return float32.recorded.tune


def _thresholds(
    table: ExitTable | None, float32: Float32Chain, settings: BuildSettings, stages: Stages
) -> tuple[float | None, ...]:
    """Thresholds for these graphs; with the costs of the float32 chain until the device itself is measured."""
    if table is None:
        return float32.thresholds
    return tuned_thresholds(table, _reference(float32), float32.costs, settings, stages)


def _checker(precision: str) -> str:
    """The engine that runs the graphs here: ONNX Runtime has no bfloat16 on the CPU."""
    return "openvino" if precision == "bfloat16" else "onnxruntime"


def _at_most(models: Models, opset: int | None) -> Models:
    """Lower graphs, in place, to the newest opset that the device's TensorRT reads; None: no limit."""
    for model in (*models.segments, models.whole):
        if opset is not None and model.opset_imports[""] > opset:
            lower_opset(model, opset=opset)
    return models


def _models(source: Lowering, precision: str, *, half: bool) -> Models:
    """TensorRT's own patterns; for INT8, `half` makes the rest float16."""
    if precision == "int8":
        rest = _with_half_scales(to_half_models(source, "float16")) if half else _float32(source)
        return quantise_models(source, rest.segments, rest.whole, family="tensorrt", crossing=frozenset())
    return _float32(source) if precision == "float32" else to_half_models(source, precision)


def _with_half_scales(models: Models) -> Models:
    """Raise graphs to the opset that float16 scales need."""
    for model in (*models.segments, models.whole):
        raise_opset(model, HALF_SCALES_OPSET)
    return models


def _float32(source: Lowering) -> Models:
    split = source.split
    return Models(segments=tuple(s.model.clone() for s in split.segments), whole=split.whole.clone())
