"""Split a model: measure its values, plan the cuts, extract the segments, add the scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from eecompile.lower import ExitScore, add_exit_score, read_own_logits
from eecompile.split.exits import check_exits
from eecompile.split.extract import extract_model, size_operations
from eecompile.split.length_facts import measure_lengths
from eecompile.split.macs import HEAVY_OPS, node_macs
from eecompile.split.plan import DataFlow, Operation, SplitPlan, ancestors, plan_split
from eecompile.split.value_facts import ValueFacts, measure_values
from eengines.engine import NO_SIZES
from eengines.errors import SplitError
from eengines.tensors import Array
from eerun.policies.base import ExitPolicy

__all__ = ["Segment", "Split", "split_model"]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One segment, ready for an engine.

    Attributes:
        model: its graph: boundary and carried state in; logits, score, boundary and state out.
        logits: name of what the exit answers with, `[batch, classes, ...]`.
        score: name of the policy's output `[batch] float32`.
        macs: multiply-accumulates a sample, without the score.
        parameters: number of weights, without those of the score.
    """

    model: ir.Model
    logits: str
    score: str
    macs: int
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """A network in segments, and the same network without exit heads.

    Attributes:
        segments: shallow to deep.
        plan: which node went where, and what crosses.
        whole: everything the final exit needs, nothing else.
        whole_macs: multiply-accumulates a sample of `whole`.
        exit_macs: for each exit, multiply-accumulates a sample of everything that it needs.
    """

    segments: tuple[Segment, ...]
    plan: SplitPlan
    whole: ir.Model
    whole_macs: int
    exit_macs: tuple[int, ...]

    @property
    def crossing(self) -> frozenset[str]:
        """Names of the values that go from one segment to a later one; raw inputs, logits and policy state aside."""
        made = {value.name for segment in self.segments for value in segment.model.graph.outputs}
        logits = {segment.logits for segment in self.segments}
        return frozenset(name for entry in self.plan.segments for name in entry.crossing if name in made - logits)


def split_model(
    model: ir.Model,
    exits: Sequence[str],
    samples: Mapping[str, Array],
    policy: ExitPolicy,
    *,
    sequences: Mapping[str, int] = NO_SIZES,
) -> Split:
    """Cut a model behind each exit.

    Args:
        model: a graph whose outputs are the exits' logits `[batch, classes, ...]`, shallow to deep.
        exits: names of the exits, for messages.
        samples: three different samples, `[3, ...]` for each input, of the greatest length.
        policy: its score is appended to every exit.
        sequences: the sequence axis of `[samples, ...]`, for each input that has one.

    Raises:
        SplitError: the graph cannot be cut; the message says where and why.
    """
    _refuse_control_flow(model)
    facts = measure_values(model, samples, without=size_operations(model))
    if sequences:
        facts = measure_lengths(model, facts, samples, sequences)
    flow = data_flow(model, facts)
    _check_batch(model, facts, exits)
    check_exits(flow, exits)
    plan = plan_split(flow)
    segments = tuple(_segment(model, facts, plan, index, policy) for index in range(len(exits)))
    final = flow.exits[-1]
    everything = {operation.name for operation in flow.operations}
    whole = extract_model(model, facts, inputs=flow.inputs, outputs=[final], operations=everything)
    return Split(
        segments=segments,
        plan=plan,
        whole=whole,
        whole_macs=_macs(whole, facts),
        exit_macs=_exit_macs(model, facts, flow),
    )


def data_flow(model: ir.Model, facts: Mapping[str, ValueFacts]) -> DataFlow:
    """The graph as the cut sees it: without weights and without nodes that only compute sizes."""
    skipped = size_operations(model)
    hidden = {o.name for node in model.graph if node.name in skipped for o in node.outputs}
    operations = [
        Operation(
            name=node.name or "",
            inputs=_distinct(
                v.name for v in node.inputs if v is not None and v.const_value is None and v.name not in hidden
            ),
            outputs=tuple(v.name or "" for v in node.outputs if v.name in facts),
            heavy=node.op_type in HEAVY_OPS,
        )
        for node in model.graph
        if node.name not in skipped
    ]
    return DataFlow(
        operations=tuple(operations),
        inputs=tuple(v.name or "" for v in model.graph.inputs),
        exits=tuple(v.name or "" for v in model.graph.outputs),
        value_bytes={name: fact.sample_bytes if fact.is_per_sample else None for name, fact in facts.items()},
    )


def _distinct(names: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(name) for name in names))  # type: ignore[attr-defined]


def _segment(
    model: ir.Model, facts: Mapping[str, ValueFacts], plan: SplitPlan, index: int, policy: ExitPolicy
) -> Segment:
    """Extract one segment and append the policy's score to its exit."""
    entry, last = plan.segments[index], index == len(plan.segments) - 1
    operations = set(entry.operations)
    made = {v.name for node in model.graph if node.name in operations for v in node.outputs}
    read = {v.name for node in model.graph if node.name in operations for v in node.inputs if v is not None} - made
    given = [v.name or "" for v in model.graph.inputs] if index == 0 else list(plan.segments[index - 1].crossing)
    logits = model.graph.outputs[index].name or ""
    segment = extract_model(
        model,
        facts,
        inputs=[name for name in given if name in read],
        outputs=_distinct([logits, *(name for name in entry.crossing if name in made)]),
        operations=operations,
    )
    macs, parameters = _macs(segment, facts), _parameters(segment)
    if policy.answers_with is not None:
        read_own_logits(segment.graph, [value.name or "" for value in model.graph.outputs[:index]])
    own = segment.graph.outputs[0]
    score: ExitScore = add_exit_score(segment.graph, logits=own, policy=policy, exit_index=index, last=last)
    if score.own_logits is not None and logits in entry.crossing:
        segment.graph.outputs.append(own)
    _label(segment, index, len(plan.segments))
    return Segment(model=segment, logits=logits, score=score.score, macs=macs, parameters=parameters)


def _label(segment: ir.Model, index: int, count: int) -> None:
    """Say in the file what it is."""
    segment.graph.name = f"segment_{index}"
    segment.metadata_props["io.ee.segment"] = f"{index + 1}/{count}"
    segment.metadata_props["io.ee.exit"] = segment.graph.outputs[0].name or ""


def _macs(model: ir.Model, facts: Mapping[str, ValueFacts]) -> int:
    return sum(node_macs(node, facts) for node in model.graph)


def _exit_macs(model: ir.Model, facts: Mapping[str, ValueFacts], flow: DataFlow) -> tuple[int, ...]:
    """What each exit alone would cost."""
    costs = {node.name: node_macs(node, facts) for node in model.graph}
    return tuple(sum(costs[name] for name in ancestors(flow, value)) for value in flow.exits)


def _parameters(model: ir.Model) -> int:
    """Number of floating-point weights with more than one element."""
    tensors = [v.const_value for v in model.graph.initializers.values() if v.const_value is not None]
    return sum(int(t.size) for t in tensors if t.dtype.is_floating_point() and t.size > 1)


def _refuse_control_flow(model: ir.Model) -> None:
    for node in model.graph:
        if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
            raise SplitError(
                f"node {node.name!r} ({node.op_type})",
                "it holds a subgraph, and a cut cannot look inside",
                "Export the network with every exit always computed; eerun decides who leaves",
            )


def _check_batch(model: ir.Model, facts: Mapping[str, ValueFacts], exits: Sequence[str]) -> None:
    """Inputs and exits must have the batch in axis 0, and nothing made from data may lose it."""
    for value in model.graph.inputs:
        if not facts[value.name or ""].is_per_sample:
            raise SplitError(
                f"input {value.name!r}", "its axis 0 is not the batch", "Export it with the batch in front"
            )
    for name, value in zip(exits, model.graph.outputs, strict=True):
        fact = facts.get(value.name or "")
        if fact is not None and not fact.is_per_sample:
            raise SplitError(
                f"exit {name!r}",
                f"tensor {value.name!r} has shape {list(fact.shape)} a sample, batch in axes {list(fact.batch_axes)}: "
                "the batch is reduced, or mixed with another axis",
                "Return [batch, classes] or [batch, classes, height, width] from every exit",
            )
    sizes = size_operations(model)
    for node in model.graph:
        lost = [v.name for v in node.outputs if v.name and v.name in facts and not facts[v.name].batch_axes]
        if lost and node.name not in sizes:
            raise SplitError(
                f"node {node.name!r} ({node.op_type})",
                f"value {lost[0]!r} is made from samples but has no batch axis: a reduction or reshape over the batch",
                "Keep one result for each sample",
            )
