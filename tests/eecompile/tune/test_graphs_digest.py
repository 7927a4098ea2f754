"""A recording fits as long as the exits say the same: another policy does not matter, other weights and exits do."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from fitted_networks import CLASSES
from onnx import numpy_helper
from policy_examples import policy_example

from eecompile.tune.configuration_to_try import configurations_here
from eecompile.tune.graphs_digest import graphs_digest
from eecompile.tune.variant import Shape, make_graphs
from eerun.bundle import OverlaidBundle
from eerun.configuration import HostConfiguration

ALL = (0, 1)


@pytest.fixture
def ways(tunable):
    """The configurations by precision."""
    return {way.entry.precision: way for way in configurations_here(tunable.bundle)}


def with_graphs(way, policy, shape) -> HostConfiguration:
    """The configuration with another policy, in another shape."""
    bundle, entry = way.bundle, way.entry
    graphs = make_graphs(bundle, entry.segments, entry.heads, shape, policy)
    heads = tuple(f"head-{index}.onnx" for index in range(len(graphs.heads)))
    segments = entry.segments[: len(graphs.segments)]
    kept = [bundle.manifest.segments[index] for index in (*shape.kept, 2)]
    named = [replace(each, logits=n.logits, score=n.score) for each, n in zip(kept, graphs.names, strict=True)]
    files = dict(zip((*segments, *heads), (*graphs.segments, *graphs.heads), strict=True))
    overlay = OverlaidBundle(path=bundle.path, manifest=replace(bundle.manifest, segments=tuple(named)), replaced=files)
    return replace(way, bundle=overlay, entry=replace(entry, segments=segments, heads=heads))


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("policy", ["margin", "patience", "gati", "geometric-ensemble", "predictive-exit"])
def test_the_policy_does_not_matter(ways, precision, policy, apart):
    way = ways[precision]
    made = policy_example(policy, exits=3, classes=CLASSES)
    other = with_graphs(way, made, Shape(kept=ALL, heads_apart=apart))
    assert len(other.entry.heads) == (2 if apart else 0)
    assert graphs_digest(other) == graphs_digest(way)


def test_precision_and_exits_matter(ways):
    margin = policy_example("margin", exits=3, classes=CLASSES)
    found = [graphs_digest(way) for way in ways.values()]
    found += [
        graphs_digest(with_graphs(way, margin, Shape(kept=kept))) for way in ways.values() for kept in ((0,), (1,))
    ]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_weights_and_ranges_matter(ways, segment):
    way = ways["int8"]
    file = way.entry.segments[segment]
    model = onnx.load_model_from_string(way.bundle.read(file))
    scales = {node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    changed = 0
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor).copy()
        if (array.dtype == np.int8 and array.ndim > 1) or tensor.name in scales:
            array.flat[-1] = array.flat[-1] / 2 if tensor.name in scales else -array.flat[-1] - 1
            other = onnx.ModelProto.FromString(model.SerializeToString())
            at = next(each for each in other.graph.initializer if each.name == tensor.name)
            at.CopyFrom(numpy_helper.from_array(array, tensor.name))
            overlay = OverlaidBundle(
                path=way.bundle.path, manifest=way.bundle.manifest, replaced={file: other.SerializeToString()}
            )
            assert graphs_digest(replace(way, bundle=overlay)) != graphs_digest(way), tensor.name
            changed += 1
    assert changed >= 2
