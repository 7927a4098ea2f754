"""Every TensorRT-lowered segment builds, with TensorRT for RTX, which needs no GPU to build."""

import onnx_ir as ir
import pytest
from branchy_segments import branchy_samples, branchy_split
from required import require_rtx

from eecompile.precision.float_types import to_half
from eecompile.precision.int8 import quantise
from eengines.backends import find_device_backend
from eengines.device_engine import Plan, PlanOptions
from eengines.errors import BuildError
from eengines.nvinfer.cards import sm

require_rtx()

CARDS = [(7, 5), (8, 0)]
BUCKETS = (1, 8, 32)


def build(model: ir.Model, card) -> Plan:
    """Build for a compute capability, as `eecompile engines` does."""
    options = PlanOptions(buckets=BUCKETS, compute_capability=card)
    return find_device_backend("tensorrt_rtx").build(ir.to_proto(model).SerializeToString(), options, lambda _: None)


def assert_whole(plan: Plan) -> None:
    """The plan is one, and no layer lost its INT8 for it."""
    assert len(plan.content) > 1000
    assert all("float32 product" in note for note in plan.notes), plan.notes


def half(network, segment: ir.Model) -> ir.Model:
    """The same segment with float16 between the rounded values."""
    made = {v.name for model in network.segments for v in model.graph.outputs}
    crossing = {v.name for model in network.segments for v in model.graph.inputs if v.name in made}
    model = segment.clone()
    to_half(model, dtype=ir.DataType.FLOAT16, crossing=frozenset(crossing), keep_float=frozenset())
    return quantise(model, family="tensorrt", ranges=network.ranges, keep_float=(), crossing=())


@pytest.fixture(scope="module")
def networks(quantised_segments, image_network):
    split = branchy_split("max-probability")
    inputs = {"image": branchy_samples(64, seed=1)}
    return {
        "branchy": quantised_segments(tuple(s.model for s in split.segments), inputs),
        "image 3": image_network(3),
        "image 8": image_network(8),
        "image 11": image_network(11),
    }


NAMES = ("branchy", "image 3", "image 8", "image 11")


@pytest.mark.parametrize("card", CARDS, ids=sm)
@pytest.mark.parametrize("name", NAMES)
def test_with_float32(networks, name, card):
    for segment in networks[name].lowered["tensorrt"]:
        assert_whole(build(segment, card))


@pytest.mark.parametrize("card", CARDS, ids=sm)
@pytest.mark.parametrize("name", NAMES)
def test_with_float16(networks, name, card):
    for segment in networks[name].segments:
        assert_whole(build(half(networks[name], segment), card))


def test_half_scales_need_opset_19(networks):
    network = networks["branchy"]
    model = network.segments[0].clone()
    to_half(model, dtype=ir.DataType.FLOAT16, crossing=frozenset(), keep_float=frozenset())
    model.graph.opset_imports[""] = 18
    with pytest.raises(BuildError, match="opset 18 has no float16 scales; expected 19"):
        quantise(model, family="tensorrt", ranges=network.ranges, keep_float=(), crossing=())
