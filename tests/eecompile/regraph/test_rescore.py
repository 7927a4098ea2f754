"""A chain with another policy is the chain that a build with that policy makes."""

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_examples import policy_example
from random_networks import CLASSES

from eecompile.regraph import ExitNames, rescore, strip
from eecompile.regraph.graph_bytes import parse_segment
from eengines.errors import BuildError
from eerun.policies import POLICIES

FOR_ROWS = sorted(name for name, policy in POLICIES.items() if policy.for_rows)


def nodes(graph: bytes) -> list[onnx.NodeProto]:
    return list(onnx.load_model_from_string(graph).graph.node)


def weights(graph: bytes) -> dict[str, bytes]:
    return {each.name: each.SerializeToString() for each in onnx.load_model_from_string(graph).graph.initializer}


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 4),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    first=st.sampled_from(FOR_ROWS),
    second=st.sampled_from(FOR_ROWS),
)
def test_there_and_back(chain_of, run_all_graphs, assert_same, seed, count, with_mask, with_shape, first, second):
    network = {"seed": seed, "count": count, "with_mask": with_mask, "with_shape": with_shape}
    one, other = chain_of(first, **network), chain_of(second, **network)
    inputs = one.maker.inputs(5, seed=1)

    there = rescore(one.segments, other.policy, one.names)
    back = rescore(there, one.policy, one.names)

    assert_same(run_all_graphs(there, inputs), run_all_graphs(other.segments, inputs))
    assert_same(run_all_graphs(back, inputs), run_all_graphs(one.segments, inputs))
    for built, made in zip((*other.segments, *one.segments), (*there, *back), strict=True):
        onnx.checker.check_model(onnx.load_model_from_string(made), full_check=True)
        assert nodes(made) == nodes(built)
        assert weights(made) == weights(built)
        assert [v.name for v in parse_segment(made).graph.outputs] == [
            v.name for v in parse_segment(built).graph.outputs
        ]


def test_stripped_segments_have_the_network_alone(chain_of):
    chain = chain_of("patience", seed=3, with_mask=True, with_shape=True)
    stripped = strip(chain.segments, chain.names)
    for graph, each in zip(stripped, chain.names, strict=True):
        model = onnx.load_model_from_string(graph)
        names = {*(node.name for node in model.graph.node), *(w.name for w in model.graph.initializer)}
        ports = {v.name for v in (*model.graph.input, *model.graph.output)}
        assert not [name for name in names | ports if name.startswith(("score_", "state_"))]
        assert each.logits in ports
    assert strip(stripped, chain.names) == stripped
    assert rescore(stripped, chain.policy, chain.names) == rescore(chain.segments, chain.policy, chain.names)


def test_exits_that_the_names_do_not_fit_are_refused(chain_of):
    chain = chain_of("margin", seed=3, with_mask=False, with_shape=False)
    policy = policy_example("margin", classes=CLASSES)
    with pytest.raises(BuildError, match="no output 'nope'"):
        rescore(chain.segments, policy, [ExitNames(logits="nope", score="score_0"), *chain.names[1:]])
    with pytest.raises(BuildError, match="'score_0', the names say 'score_7'"):
        rescore(chain.segments, policy, [ExitNames(logits="exit_0", score="score_7"), *chain.names[1:]])
