"""Models that run once, or often with values from inside, in ONNX Runtime without optimisation."""

import numpy as np
import onnx_ir as ir
import pytest
from branchy_segments import branchy_samples, branchy_split
from one_node_graphs import one_node
from random_networks import NetworkMaker

from eecompile.session import WatchedModel, run_all, run_model
from eengines.errors import SplitError


@pytest.fixture(scope="module")
def network():
    maker = NetworkMaker(3, exits=2, width=6, with_mask=True, with_shape=True)
    return ir.from_proto(maker.model()), maker.inputs(5, seed=1)


def test_every_way_to_run_gives_the_same_numbers(network):
    model, inputs = network
    everything = run_all(model, inputs)
    names = {v.name for node in model.graph for v in node.outputs if v.uses() or v.is_graph_output()}
    assert names <= everything.keys()
    watched = WatchedModel(model, names)
    made = watched.run(inputs)
    assert watched.outputs == tuple(v.name for v in model.graph.outputs) == tuple(run_model(model, inputs))
    for name in names:
        assert np.array_equal(made[name], everything[name]), name


def test_only_what_is_watched_comes_out_and_inputs_are_handed_on(network):
    model, inputs = network
    name = model.graph[0].outputs[0].name
    made = WatchedModel(model, {name}).run({**inputs, "other": np.zeros(3)})
    read = {value.name for value in model.graph.inputs}
    assert made.keys() == {name, *read, *(v.name for v in model.graph.outputs)}
    assert all(made[key] is inputs[key] for key in read)


def test_the_model_is_not_changed_and_inputs_and_outputs_may_be_watched(network):
    model, inputs = network
    before = ir.to_proto(model).SerializeToString()
    watch = {v.name for v in (*model.graph.inputs, *model.graph.outputs)}
    assert WatchedModel(model, watch).run(inputs).keys() == watch
    assert ir.to_proto(model).SerializeToString() == before


def test_segments_hand_values_on():
    split = branchy_split("max-probability")
    raw = {"image": branchy_samples(4, seed=2)}
    by_hand, watched = dict(raw), dict(raw)
    for segment in split.segments:
        by_hand.update(run_model(segment.model, by_hand))
        watched.update(WatchedModel(segment.model, set()).run(watched))
    assert by_hand.keys() == watched.keys()
    assert all(np.array_equal(by_hand[name], watched[name]) for name in by_hand)


def test_arrays_need_not_be_contiguous():
    model = one_node("Relu", shape=["batch", 3])
    x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)[:, :3]
    assert np.array_equal(run_model(model, {"x": x})["y0"], np.maximum(x, 0))


def test_a_graph_that_is_refused_and_inputs_that_do_not_fit_are_errors_of_the_project():
    with pytest.raises(SplitError, match="ONNX Runtime"):
        WatchedModel(one_node("NoSuchOperator", shape=["batch", 3]), set())
    with pytest.raises(SplitError, match="ONNX Runtime"):
        run_model(one_node("Relu", shape=["batch", 3]), {"x": np.zeros((2, 4), np.float32)})
    with pytest.raises(SplitError, match="ONNX Runtime"):
        WatchedModel(one_node("Relu", shape=["batch", 3]), {"no_such_value"})
