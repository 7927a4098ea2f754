"""Graphs with Q/DQ nodes, half types and channels last are rescored, merged and split like float32 graphs."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator
from policy_examples import policy_example

from eecompile.build.lower_graphs import serialize
from eecompile.precision.channels_last import channels_last
from eecompile.precision.float_types import to_half
from eecompile.regraph import ExitNames, fuse_head, keep_exits, rescore, split_heads
from eecompile.regraph.graph_bytes import parse_segment
from eecompile.session import run_model

NAMES = tuple(ExitNames(logits=f"exit_{k}", score=f"score_{k}") for k in range(2))
SEEDS = (2, 3, 8)
ENGINE_ERROR = 0.02
"""Largest error of an engine's logits, in root mean square, against the same graphs apart: rounding at the seam."""
SAMPLES = 4


def lowered(network, way):
    """The segments of a quantised network as an engine gets them, or in half."""
    made = (v.name for v in network.segments[0].graph.outputs)
    crossing = frozenset(name for name in made if not name.startswith(("exit_", "score_", "state_")))
    if way == "float16":
        models = [model.clone() for model in network.segments]
        for model in models:
            to_half(model, dtype=ir.DataType.FLOAT16, crossing=crossing, keep_float=frozenset())
    else:
        models = [model.clone() for model in network.lowered[way]]
    if way == "openvino":
        for model in models:
            channels_last(model, crossing=crossing)
    return tuple(serialize(model, index) for index, model in enumerate(models))


def run_literally(model, values):
    """ONNX Runtime computes float16 in float32 and leaves out Casts; ONNX's own evaluator does what the graph says."""
    if all(weight.dtype is not ir.DataType.FLOAT16 for weight in model.graph.initializers.values()):
        return run_model(model, values)
    evaluator = ReferenceEvaluator(ir.to_proto(model))
    made = evaluator.run(None, {value.name: values[value.name] for value in model.graph.inputs})
    return dict(zip((value.name for value in model.graph.outputs), made, strict=True))


def run_graphs(graphs, inputs, run=run_literally):
    values = {name: array[:SAMPLES] for name, array in inputs.items()}
    for graph in graphs:
        values |= run(parse_segment(graph), values)
    return values


def assert_same(one, other, names):
    for name in names:
        assert np.array_equal(one[name], other[name]), name


@pytest.fixture(scope="module", params=SEEDS)
def network(image_network, request):
    return image_network(request.param)


@pytest.fixture(params=["onnxruntime", "openvino", "float16"])
def way(request):
    return request.param


def test_another_policy_is_what_a_build_with_it_makes(network, way, quantised_segments):
    policy = policy_example("patience")
    floats = tuple(serialize(model, index) for index, model in enumerate(network.segments))
    built = quantised_segments(tuple(map(parse_segment, rescore(floats, policy, NAMES))), network.inputs)
    changed, expected = rescore(lowered(network, way), policy, NAMES), lowered(built, way)
    made, wanted = (run_graphs(graphs, network.inputs) for graphs in (changed, expected))
    assert made.keys() == wanted.keys()
    assert_same(made, wanted, made)
    for one, other in zip(changed, expected, strict=True):
        assert sorted(n.name for n in parse_segment(one).graph) == sorted(n.name for n in parse_segment(other).graph)


def test_answers_of_the_policy_come_and_go(network, way):
    graphs = lowered(network, way)
    there = rescore(graphs, policy_example("geometric-ensemble", exits=2, classes=4), NAMES)
    back = rescore(there, policy_example("max-probability"), NAMES)
    expected, answered = (run_graphs(each, network.inputs) for each in (graphs, there))
    assert not np.array_equal(answered["exit_0"], expected["exit_0"])
    assert_same(answered, expected, ["exit_1"])
    assert_same(run_graphs(back, network.inputs), expected, expected)


def test_the_merged_segment_says_the_same(network, way, run_in):
    graphs = lowered(network, way)
    (merged,), names = keep_exits(graphs, NAMES, [1])
    expected = run_graphs(graphs, network.inputs)
    assert_same(run_graphs([merged], network.inputs), expected, ["exit_1"])
    assert [each.score for each in names] == ["score_0"]
    graph = parse_segment(merged).graph
    assert not [node for node in graph if node.op_type == "Transpose"]
    for node in graph:
        if node.op_type == "QuantizeLinear":
            assert [reader.op_type for reader in node.outputs[0].consumers()] in (["DequantizeLinear"], [])
    run = run_in["openvino" if way == "openvino" else "onnxruntime"]
    apart, together = (run_graphs(each, network.inputs, run)["exit_1"] for each in (graphs, [merged]))
    assert np.sqrt(((together - apart) ** 2).mean() / (apart**2).mean()) < ENGINE_ERROR


def test_head_and_trunk_say_the_same_and_little_goes_between(network, way, run_in):
    graphs = rescore(lowered(network, way), policy_example("patience"), NAMES)
    trunks, (head,) = split_heads(graphs, NAMES)
    expected = run_graphs(graphs, network.inputs)
    assert_same(run_graphs([trunks[0], head, trunks[1]], network.inputs), expected, expected)
    assert_same(run_graphs([fuse_head(trunks[0], head), trunks[1]], network.inputs), expected, expected)
    images = [value for value in parse_segment(head).graph.inputs if len(value.shape) == 4]
    assert {value.dtype.itemsize for value in images} == {2 if way == "float16" else 1 if network.crossing else 4}
    assert {value.name for value in images} <= {value.name for value in parse_segment(graphs[0]).graph.outputs}
    run = run_in["openvino" if way == "openvino" else "onnxruntime"]
    apart, together = (run_graphs(each, network.inputs, run)["exit_0"] for each in ([trunks[0], head], graphs[:1]))
    assert np.sqrt(((apart - together) ** 2).mean() / (together**2).mean()) < ENGINE_ERROR
