"""What quantising each layer and each head by itself does to the logits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eecalib.int8.ranges import TensorRange
from eecompile.build.chain_executor import chain_executor
from eecompile.build.float32_chain import Float32Chain
from eecompile.build.graph_rows import graph_rows
from eecompile.build.keep_float import head_nodes
from eecompile.build.lower_graphs import Lowering, serialize
from eecompile.build.prepare import Prepared
from eecompile.precision.int8 import quantise, share_ranges
from eecompile.session import WatchedModel
from eecompile.stages import Stages
from eengines.backends import load_backend
from eengines.engine import NO_SIZES
from eengines.tensors import Array
from eerun.bundle import LENGTH
from eerun.executor import ChainExecutor, LengthExecutor, LoadedChain

__all__ = ["Suspect", "measure_suspects"]

MEASURED = 40
"""Suspects whose damage is measured; where there are more, a cheap proxy picks them."""

PROXY_SAMPLES = 32
"""Rows that the proxy looks at."""

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
LEVELS = 255
ENGINE = "onnxruntime"
TINY = 1e-30


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Nodes that may be kept in float together.

    Attributes:
        name: of the node, or `head of segment K`.
        nodes: names.
        segment: where they are.
        damage: mean squared change of the logits of all exits from there on, in units of their variance, if nothing
            else is quantised.
    """

    name: str
    nodes: frozenset[str]
    segment: int
    damage: float


def measure_suspects(
    source: Lowering,
    float32: Float32Chain,
    samples: Mapping[str, Array],
    *,
    prepared: Prepared,
    threads: int,
    stages: Stages,
) -> tuple[Suspect, ...]:
    """Return layers and heads, the most harmful first, and behind them those that were not measured.

    Args:
        source: segments and ranges; what it keeps in float is no suspect.
        float32: the float32 chain.
        samples: raw samples to look at, at the greatest length where that is dynamic.
        prepared: the network's inputs and lengths.
        threads: of the engine.
        stages: where progress is shown.
    """
    sizes = {LENGTH: prepared.lengths[-1].length} if prepared.lengths else NO_SIZES
    costs = float32.measured.at[prepared.lengths[-1].length] if prepared.lengths else float32.costs
    suspects, others = _most_noisy([*_suspects(source)], source, graph_rows(samples, prepared.fold))
    reference = _logits(float32.executor, samples)
    ranges = share_ranges([s.model for s in source.split.segments], _ranges(source), keep_float=source.keep_float)
    measured = []
    for number, suspect in enumerate(suspects, start=1):
        engine = load_backend(ENGINE).load(_only(source, suspect, ranges), threads=threads, sizes=sizes)
        engines = list(float32.loaded.chain.engines)
        engines[suspect.segment] = engine
        executor = chain_executor(LoadedChain(float32.loaded.chain.chain, engines), costs)
        changed = _logits(executor, samples)[:, suspect.segment :] - reference[:, suspect.segment :]
        damage = float((changed**2).mean() / max(float(reference.var()), TINY))
        measured.append(Suspect(name=suspect.name, nodes=suspect.nodes, segment=suspect.segment, damage=damage))
        stages.progress(number / len(suspects))
    return (*sorted(measured, key=lambda suspect: -suspect.damage), *others)


def _ranges(source: Lowering) -> Mapping[str, TensorRange]:
    return {} if source.ranges is None else source.ranges.tensors


def _suspects(source: Lowering) -> Iterator[Suspect]:
    """Every weighted node, and every head with more than one of them."""
    for index, segment in enumerate(source.split.segments):
        weighted = [n.name or "" for n in segment.model.graph if n.op_type in WEIGHTED]
        weighted = [name for name in weighted if name not in source.keep_float]
        for name in weighted:
            yield Suspect(name=name, nodes=frozenset({name}), segment=index, damage=0.0)
        head = head_nodes(segment, source.split.crossing) & set(weighted)
        if 1 < len(head) < len(weighted):
            yield Suspect(name=f"head of segment {index}", nodes=head, segment=index, damage=0.0)


def _only(source: Lowering, suspect: Suspect, ranges: Mapping[str, TensorRange]) -> bytes:
    """A segment in which nothing but the suspect is quantised."""
    model = source.split.segments[suspect.segment].model
    others = {node.name or "" for node in model.graph if node.op_type in WEIGHTED} - suspect.nodes
    graph = quantise(model, family=ENGINE, ranges=ranges, keep_float=others | source.keep_float, crossing=frozenset())
    return serialize(graph, suspect.segment)


def _most_noisy(
    suspects: Sequence[Suspect], source: Lowering, samples: Mapping[str, Array]
) -> tuple[Sequence[Suspect], Sequence[Suspect]]:
    """The suspects with the most rounding noise by a cheap proxy, and the others, which are not measured."""
    if len(suspects) <= MEASURED:
        return suspects, ()
    noise = _input_noise(source, samples)
    order = sorted(suspects, key=lambda s: -sum(noise.get(name, 0.0) for name in s.nodes))
    return order[:MEASURED], order[MEASURED:]


def _input_noise(source: Lowering, samples: Mapping[str, Array]) -> dict[str, float]:
    """For each weighted node: Δ²/12 of the rounding of its input, by the mean square of the input; Δ its step."""
    ranges, noise = _ranges(source), {}
    values: dict[str, Array] = {name: array[:PROXY_SAMPLES] for name, array in samples.items()}
    for segment in source.split.segments:
        inputs = {n.name or "": n.inputs[0] for n in segment.model.graph if n.op_type in WEIGHTED}
        names = {value.name or "" for value in inputs.values() if value is not None and value.name in ranges}
        model = WatchedModel(segment.model, names)
        made = model.run(values)
        values |= {name: made[name] for name in model.outputs}
        for node, value in inputs.items():
            if value is not None and value.name in names:
                noise[node] = _noise(ranges[value.name], made[value.name])
    return noise


def _noise(value_range: TensorRange, array: Array) -> float:
    step = (value_range.high - value_range.low) / LEVELS
    power = float(np.square(array, dtype=np.float64).mean())
    return step**2 / 12 / max(power, TINY)


def _logits(executor: ChainExecutor | LengthExecutor, samples: Mapping[str, Array]) -> NDArray[np.float32]:
    """Logits of all exits, `[samples, exits, *output_shape] float32`."""
    count, size = len(next(iter(samples.values()))), executor.max_batch
    parts = [{name: array[i : i + size] for name, array in samples.items()} for i in range(0, count, size)]
    return np.concatenate([executor.record(part)[0] for part in parts])
