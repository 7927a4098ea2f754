"""The planned cut has the fewest bytes of all cuts that are allowed (brute force on small graphs)."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.split.plan import DataFlow, Operation, ancestors, crossing_values, plan_split
from eengines.errors import SplitError


@st.composite
def flows(draw: st.DrawFn) -> DataFlow:
    """Random graphs of up to 9 operations with two exits."""
    count = draw(st.integers(3, 8))
    values = ["x", "mask"]
    operations = []
    for index in range(count):
        inputs = tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)))
        outputs = tuple(f"v{index}_{i}" for i in range(draw(st.integers(1, 2))))
        operations.append(Operation(name=f"n{index}", inputs=inputs, outputs=outputs, heavy=draw(st.booleans())))
        values.extend(outputs)
    early = draw(st.sampled_from([o.outputs[0] for o in operations]))
    operations.append(Operation(name="last", inputs=(values[-1], "x"), outputs=("final",), heavy=True))
    sizes = {name: draw(st.integers(1, 20)) for name in [*values, "final"]}
    return DataFlow(operations=tuple(operations), inputs=("x", "mask"), exits=(early, "final"), value_bytes=sizes)


def allowed_sides(flow: DataFlow):
    """Every set of operations that a first segment may be."""
    needed = ancestors(flow, flow.exits[0])
    free = [o for o in flow.operations if o.name not in needed and not o.heavy and flow.exits[1] not in o.outputs]
    made_by = {value: o.name for o in flow.operations for value in o.outputs}
    for mask in product([False, True], repeat=len(free)):
        side = needed | {o.name for o, taken in zip(free, mask, strict=True) if taken}
        closed = all(
            made_by.get(value) in side
            for o in flow.operations
            if o.name in side
            for value in o.inputs
            if value in made_by
        )
        if closed:
            yield side


@settings(max_examples=150, deadline=None)
@given(flow=flows())
def test_fewest_bytes_and_then_fewest_operations(flow):
    def cost(side):
        return sum(flow.value_bytes[name] for name in crossing_values(flow, side))

    best = min((cost(side), len(side)) for side in allowed_sides(flow))

    first = plan_split(flow).segments[0]

    assert (first.crossing_bytes, len(first.operations)) == best
    assert first.crossing == crossing_values(flow, set(first.operations))
    assert first.frontier_bytes == cost(ancestors(flow, flow.exits[0])) >= first.crossing_bytes


@settings(max_examples=100, deadline=None)
@given(flow=flows(), data=st.data())
def test_every_operation_runs_in_exactly_one_segment_after_what_it_reads(flow, data):
    middle = data.draw(st.sampled_from([value for o in flow.operations for value in o.outputs if value != "final"]))
    three = DataFlow(
        operations=flow.operations,
        inputs=flow.inputs,
        exits=(flow.exits[0], middle, "final"),
        value_bytes=flow.value_bytes,
    )
    plan = plan_split(three)
    place = {name: index for index, segment in enumerate(plan.segments) for name in segment.operations}

    assert sorted(place) == sorted(o.name for o in flow.operations)
    assert sum(len(segment.operations) for segment in plan.segments) == len(flow.operations)
    made_in = {value: place[o.name] for o in flow.operations for value in o.outputs}
    assert all(made_in.get(v, 0) <= place[o.name] for o in flow.operations for v in o.inputs)
    for index, exit_value in enumerate(three.exits):
        assert all(place[name] <= index for name in ancestors(three, exit_value))


def test_a_pooled_value_crosses_instead_of_the_large_one():
    flow = DataFlow(
        operations=(
            Operation(name="conv", inputs=("x",), outputs=("large",), heavy=True),
            Operation(name="head", inputs=("large",), outputs=("exit",), heavy=True),
            Operation(name="pool", inputs=("large",), outputs=("small",), heavy=False),
            Operation(name="rest", inputs=("small",), outputs=("final",), heavy=True),
        ),
        inputs=("x",),
        exits=("exit", "final"),
        value_bytes={"x": 10, "large": 100, "exit": 4, "small": 25, "final": 4},
    )

    first = plan_split(flow).segments[0]

    assert first.crossing == ("small",)
    assert (first.crossing_bytes, first.frontier_bytes) == (25, 100)


def test_a_value_without_batch_axis_cannot_cross():
    flow = DataFlow(
        operations=(
            Operation(name="a", inputs=("x",), outputs=("folded",), heavy=True),
            Operation(name="head", inputs=("folded",), outputs=("exit",), heavy=True),
            Operation(name="rest", inputs=("folded",), outputs=("final",), heavy=True),
        ),
        inputs=("x",),
        exits=("exit", "final"),
        value_bytes={"x": 10, "folded": None, "exit": 4, "final": 4},
    )

    with pytest.raises(SplitError, match=r"boundary behind exit 'exit': value 'folded' must cross it"):
        plan_split(flow)
