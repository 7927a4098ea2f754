"""Layers that INT8 ruins are found and kept in float, and whole heads by hand."""

import pytest

from eerun.bundle import open_bundle

OUTLIER = 3000.0
"""One channel is this much larger than the others: with 255 steps for all, the others are rounded to zero."""

WEIGHTED = ("Conv", "Gemm", "MatMul")


@pytest.fixture(scope="session")
def harmed(fitted, finished):
    return finished(fitted(outlier=OUTLIER), int8=True)


@pytest.fixture(scope="session")
def head_in_float(fitted, finished):
    """HardSwish between the convolutions of each head; the head of the second exit stays in float."""
    return finished(fitted(between="HardSwish"), int8=True, keep_float=("middle",), max_quant_drop=0.03)


def rounded_inputs(graph):
    """For each weighted node, whether its data and its weight come out of a DequantizeLinear."""
    made = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        if node.op_type in WEIGHTED:
            found[node.name] = all(name in made and made[name].op_type == "DequantizeLinear" for name in node.input[:2])
    return found


def test_the_layer_with_the_outlier_is_found(harmed):
    """`n_deep_1` and `n_project_1` read the channel."""
    (told,) = [d for d in harmed.stages.details if d.startswith("INT8 changes")]
    assert "allowed are 1.00%" in told
    assert {"n_deep_1"} <= set(harmed.report.keep_float)
    assert "find out which layers suffer from INT8" in harmed.stages.titles


def test_the_bound_is_kept_and_most_layers_stay_int8(harmed):
    (trial,) = [t for t in harmed.report.trials if (t.engine, t.precision) == ("onnxruntime", "int8")]
    assert trial.kept
    assert min(trial.agreement[-1], trial.answers_kept) >= 0.99
    rounded = [r for graph in harmed.segments("onnxruntime-int8") for r in rounded_inputs(graph).values()]
    assert 0.5 < sum(rounded) / len(rounded) < 1


@pytest.mark.parametrize("way", ["onnxruntime-int8", "openvino-int8"])
def test_what_the_report_lists_is_float_in_every_graph(harmed, way):
    listed = set(harmed.report.keep_float)
    for graph in harmed.segments(way):
        for name, rounded in rounded_inputs(graph).items():
            assert rounded == (name not in listed), name


def test_int8_by_hand_is_what_the_bundle_runs(harmed):
    assert open_bundle(harmed.path).manifest.configurations[0].precision == "int8"


@pytest.mark.parametrize("way", ["onnxruntime-int8", "openvino-int8"])
def test_a_whole_head_stays_float_by_hand(head_in_float, way):
    assert {"n_project_1", "n_between_1", "n_head_1", "n_exit_1"} <= set(head_in_float.report.keep_float)
    first, second, _ = head_in_float.segments(way)
    assert any(rounded_inputs(first).values())
    found = rounded_inputs(second)
    assert not any(found[name] for name in ("n_project_1", "n_head_1", "n_exit_1"))
    assert found["n_stage_1"]
    made = {name: node for node in second.node for name in node.output}
    nodes = {node.name: node for node in second.node}
    seen, waiting = set(), ["n_exit_1"]
    while waiting:
        node = nodes[waiting.pop()]
        seen.add(node.name)
        waiting += [made[n].name for n in node.input if n in made and node.name != "n_project_1"]
    assert {"n_project_1", "n_between_1", "n_head_1"} <= seen
    assert not {nodes[name].op_type for name in seen} & {"QuantizeLinear", "DequantizeLinear"}


@pytest.mark.parametrize("way", ["onnxruntime-int8", "openvino-int8"])
def test_an_operator_without_int8_in_between_computes_in_float(head_in_float, way):
    """It reads and makes float numbers; both convolutions around it are on eight bits."""
    for index in (0, 2):
        graph = head_in_float.segments(way)[index]
        (swish,) = [node for node in graph.node if node.name == f"n_between_{index}"]
        assert swish.op_type == "HardSwish"
        made = {name: node.op_type for node in graph.node for name in node.output}
        assert made[swish.input[0]] in ("Conv", "DequantizeLinear")
        assert rounded_inputs(graph)[f"n_project_{index}"]
        assert rounded_inputs(graph)[f"n_head_{index}"]


def test_a_network_with_another_operator_in_between_is_built_in_every_precision(fitted, finished):
    built = finished(fitted(between="Sigmoid"), engine="onnxruntime")
    trials = {(t.engine, t.precision): t for t in built.report.trials}
    assert {"float32", "int8"} <= {precision for _, precision in trials}
    assert trials["onnxruntime", "int8"].answers_kept > 0.9
    assert built.report.warnings == tuple(built.stages.warnings)
