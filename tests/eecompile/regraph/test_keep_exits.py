"""A chain without some of its exits is the chain of the network that never had them."""

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eecompile.regraph import keep_exits, merge, rescore, strip
from eecompile.regraph.graph_bytes import parse_segment
from eengines.errors import BuildError, UserError


def products(graph: bytes) -> list[str]:
    """Names of the nodes with weights; what computes sizes may be there more than once."""
    nodes = onnx.load_model_from_string(graph).graph.node
    return sorted(node.name for node in nodes if node.op_type == "MatMul")


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 5),
    with_mask=st.booleans(),
    with_shape=st.booleans(),
    policy=st.sampled_from(["margin", "patience", "geometric-ensemble"]),
    data=st.data(),
)
def test_as_if_they_had_never_been(
    chain_of, run_all_graphs, assert_same, seed, count, with_mask, with_shape, policy, data
):
    network = {"seed": seed, "count": count, "with_mask": with_mask, "with_shape": with_shape}
    kept = [k for k in range(count - 1) if data.draw(st.booleans())] + [count - 1]
    chain, wanted = chain_of(policy, **network), chain_of(policy, exits=kept, **network)
    inputs = chain.maker.inputs(5, seed=1)

    segments, names = keep_exits(chain.segments, chain.names, kept)
    scored = rescore(segments, wanted.policy, names)

    made, expected = run_all_graphs(scored, inputs), run_all_graphs(wanted.segments, inputs)
    assert_same(
        {name: made[name] for each in names for name in (each.logits, each.score)},
        {name: expected[name] for each in wanted.names for name in (each.logits, each.score)},
    )
    for graph, reference in zip(scored, wanted.segments, strict=True):
        model = onnx.load_model_from_string(graph)
        onnx.checker.check_model(model, full_check=True)
        assert products(graph) == products(reference)


def test_a_pair_merges_into_one(chain_of, run_all_graphs):
    chain = chain_of("margin", seed=11, count=3, with_mask=True, with_shape=True)
    first, second, third = strip(chain.segments, chain.names)
    read = {value.name for value in parse_segment(third).graph.inputs}
    merged = merge(first, second, still_read=read)
    inputs = chain.maker.inputs(4, seed=2)
    made, expected = run_all_graphs([merged, third], inputs), run_all_graphs(chain.segments, inputs)
    assert "exit_0" not in made
    for name in ("exit_1", "exit_2"):
        assert (made[name] == expected[name]).all()


def test_a_graph_with_a_score_is_not_merged(chain_of):
    chain = chain_of("margin", seed=11, count=2, with_mask=False, with_shape=False)
    with pytest.raises(BuildError, match="it has a score"):
        merge(*chain.segments, still_read=())


@pytest.mark.parametrize("kept", [[], [0], [1, 0, 2], [0, 0, 2], [-1, 2], [0, 3]])
def test_without_the_final_exit_there_is_no_chain(chain_of, kept):
    chain = chain_of("margin", seed=11, count=3, with_mask=False, with_shape=False)
    with pytest.raises(UserError, match="exits 0 to 2"):
        keep_exits(chain.segments, chain.names, kept)


def test_files_say_what_they_are(chain_of):
    chain = chain_of("margin", seed=11, count=4, with_mask=False, with_shape=False)
    segments, names = keep_exits(chain.segments, chain.names, [1, 3])
    models = [onnx.load_model_from_string(graph) for graph in segments]
    assert [model.graph.name for model in models] == ["segment_0", "segment_1"]
    assert [{p.key: p.value for p in model.metadata_props}["io.ee.segment"] for model in models] == ["1/2", "2/2"]
    assert [each.logits for each in names] == ["exit_1", "exit_3"]
    assert [each.score for each in names] == ["score_0", "score_1"]
