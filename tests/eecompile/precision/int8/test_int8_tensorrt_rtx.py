"""Every TensorRT-lowered segment builds, with TensorRT for RTX, which needs no GPU to build."""

import onnx_ir as ir
import pytest
from branchy_segments import branchy_samples, branchy_split

from eecompile.precision.float_types import to_half
from eecompile.precision.int8 import quantise
from eengines.errors import BuildError

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed: pip install tensorrt-rtx-cu13")

BATCHES = (1, 8, 32)


class Messages(trt.ILogger):
    """Keeps errors."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def log(self, severity, message):
        if severity <= trt.ILogger.Severity.ERROR:
            self.errors.append(message)


MESSAGES = Messages()


def build(model: ir.Model, target) -> int:
    """Parse and build for a compute capability (None: the library's default targets); return the plan's bytes."""
    MESSAGES.errors.clear()
    builder = trt.Builder(MESSAGES)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, MESSAGES)
    parsed = parser.parse(ir.to_proto(model).SerializeToString())
    assert parsed, [str(parser.get_error(index)) for index in range(parser.num_errors)]
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    for index in range(network.num_inputs):
        value = network.get_input(index)
        profile.set_shape(value.name, *((batch, *tuple(value.shape)[1:]) for batch in BATCHES))
    config.add_optimization_profile(profile)
    if target is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, MESSAGES.errors
    return plan.nbytes


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


@pytest.mark.parametrize("name", NAMES)
def test_default_targets_with_float32(networks, name):
    assert all(build(segment, None) > 1000 for segment in networks[name].lowered["tensorrt"])


@pytest.mark.parametrize("name", NAMES)
def test_default_targets_and_turing_with_float16(networks, name):
    network = networks[name]
    for segment in network.segments:
        lowered = half(network, segment)
        assert build(lowered, None) > 1000
        assert build(lowered, trt.ComputeCapability.SM75) > 1000


def test_half_scales_need_opset_19(networks):
    network = networks["branchy"]
    model = network.segments[0].clone()
    to_half(model, dtype=ir.DataType.FLOAT16, crossing=frozenset(), keep_float=frozenset())
    model.graph.opset_imports[""] = 18
    with pytest.raises(BuildError, match="opset 18 has no float16 scales; expected 19"):
        quantise(model, family="tensorrt", ranges=network.ranges, keep_float=(), crossing=())
