"""Trunk and head together say what their segment says; fused again they are that segment."""

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.regraph import ExitNames, fuse_head, split_head, split_heads
from eecompile.regraph.graph_bytes import parse_segment
from eengines.errors import BuildError
from eerun.policies import POLICIES

FOR_ROWS = sorted(name for name, policy in POLICIES.items() if policy.for_rows)


def in_order(trunks, heads):
    """The graphs of a chain as they run."""
    return [graph for index, trunk in enumerate(trunks) for graph in (trunk, *heads[index : index + 1])]


def ports(graph: bytes) -> tuple[set[str], set[str]]:
    model = parse_segment(graph).graph
    return {str(v.name) for v in model.inputs}, {str(v.name) for v in model.outputs}


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 4),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    policy=st.sampled_from(FOR_ROWS),
)
def test_apart_and_together(chain_of, run_all_graphs, assert_same, seed, count, with_mask, with_shape, policy):
    chain = chain_of(policy, seed=seed, count=count, with_mask=with_mask, with_shape=with_shape)
    inputs = chain.maker.inputs(5, seed=1)
    expected = run_all_graphs(chain.segments, inputs)

    trunks, heads = split_heads(chain.segments, chain.names)
    fused = [*(fuse_head(trunk, head) for trunk, head in zip(trunks, heads, strict=False)), trunks[-1]]

    made = run_all_graphs(in_order(trunks, heads), inputs)
    assert_same({name: made[name] for name in expected}, expected)
    assert_same(run_all_graphs(fused, inputs), expected)
    assert trunks[-1] == chain.segments[-1]
    for index, (trunk, head) in enumerate(zip(trunks, heads, strict=False)):
        for graph in (trunk, head):
            onnx.checker.check_model(onnx.load_model_from_string(graph), full_check=True)
        made_by_trunk, made_by_head = ports(trunk)[1], ports(head)[1]
        assert not made_by_trunk & made_by_head
        assert chain.names[index].score in made_by_head
        assert not [name for name in (*made_by_trunk, *ports(trunk)[0]) if name.startswith("state_")]
        extra = {name for name in made_by_trunk if name.startswith(f"head_{index}/")}
        assert made_by_trunk - extra == ports(chain.segments[index])[1] - made_by_head
        assert len(parse_segment(fused[index]).graph) == len(parse_segment(chain.segments[index]).graph)


def test_a_segment_that_is_nothing_but_a_head_is_refused(chain_of):
    chain = chain_of("margin", seed=11, count=1, with_mask=False, with_shape=False)
    with pytest.raises(BuildError, match="nothing that it makes is read by later segments"):
        split_head(chain.segments[0], chain.names[0], read_later=())


def test_names_that_do_not_fit_are_refused(chain_of):
    chain = chain_of("margin", seed=11, count=2, with_mask=False, with_shape=False)
    with pytest.raises(BuildError, match="score_<k>"):
        split_head(chain.segments[0], ExitNames(logits="exit_0", score="rating"), read_later=())
    with pytest.raises(BuildError, match="no output 'score_3'"):
        split_head(chain.segments[0], ExitNames(logits="exit_0", score="score_3"), read_later=())
