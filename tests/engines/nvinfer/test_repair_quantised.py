"""INT8 layers without an implementation: the layers that a refusal names read floats afterwards, and it builds."""

import pytest
from onnx import TensorProto
from required import require_rtx

from eengines.device_engine import PlanOptions
from eengines.errors import EngineError
from eengines.nvinfer.build_plan import PlanBuilder, add_profiles
from eengines.nvinfer.differences import set_card
from eengines.nvinfer.messages import messages
from eengines.nvinfer.parse_graph import parse_graph
from eengines.nvinfer.refusal import refusal
from eengines.nvinfer.repair_quantised import named_layers, repair_quantised
from eengines.nvinfer.wiring import Wiring

trt = require_rtx()

NONE = "Could not find any implementation for node {}."
TENSORRT = f"IBuilder::buildSerializedNetwork: Error Code 10: Internal Error ({NONE})"
OLD = f"10: [optimizer.cpp::computeCosts::3869] Error Code 10: Internal Error ({NONE})"
RTX = (
    "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ([pass.cpp:337: check_turing_op_compatibility] "
    "Cannot compile operation '{}' for Turing (SM75): native INT8 convolution is not currently supported.)"
)


def read_rounded(parsed) -> set[str]:
    """Names of the layers with weights that read something from DQ."""
    wiring = Wiring(parsed.network)
    rounded = set()
    for layer in wiring.layers:
        tensors = [layer.get_input(index) for index in range(layer.num_inputs)]
        makers = [wiring.producer(tensor) for tensor in tensors if tensor is not None]
        if any(maker is not None and maker.type == trt.LayerType.DEQUANTIZE for maker in makers):
            rounded.add(layer.name)
    return rounded


@pytest.mark.parametrize(
    ("message", "nodes", "freed"),
    [
        (TENSORRT, "conv1", {"conv1"}),
        (OLD, "conv1 + relu1", {"conv1"}),
        (RTX, "conv2", {"conv2"}),
        (TENSORRT, "k0 + k0/q + conv0 + relu0 || fc", {"conv0", "fc"}),
        (TENSORRT, "{ForeignNode[conv1...relu2]}", {"conv1", "conv2"}),
        (TENSORRT, "r0/q", {"conv1"}),
        (TENSORRT, "r1/dq", {"conv2"}),
    ],
)
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_named_layers_read_floats_and_it_builds(message, nodes, freed, kind, graphs):
    with messages() as heard:
        parsed = parse_graph(trt, graphs.convolutions(kind, rounded=True))
        before = read_rounded(parsed)
        assert before == {"conv0", "conv1", "conv2", "fc"}

        notes = repair_quantised(trt, parsed.network, message.format(nodes))

        assert {note.split(":")[0] for note in notes} == freed
        assert read_rounded(parsed) == before - freed
        assert repair_quantised(trt, parsed.network, message.format(nodes)) == (), "the search ends"
        config = parsed.builder.create_builder_config()
        add_profiles(parsed, config, (1, 4))
        set_card(trt, config, (8, 0))
        assert parsed.builder.build_serialized_network(parsed.network, config) is not None, heard.errors


@pytest.mark.parametrize(
    "message",
    [
        "Could not find any implementation for node conv1 due to insufficient workspace. See verbose log.",
        "Could not find any implementation for node conv10.",
        "conv1 was mentioned, but not refused",
        "",
    ],
)
def test_other_messages_change_nothing(message, graphs):
    with messages():
        parsed = parse_graph(trt, graphs.convolutions(rounded=True))
        assert named_layers(message, Wiring(parsed.network).layers) == []
        assert repair_quantised(trt, parsed.network, message) == ()
        assert len(read_rounded(parsed)) == 4


def test_a_layer_that_is_refused_without_its_rounding_is_an_error_that_says_so():
    text = TENSORRT.format("conv1 + relu1")
    error = refusal([text], "TensorRT", repaired=("conv1: computed in float",))
    assert isinstance(error, EngineError)
    assert error.where == "node 'conv1 + relu1'"
    assert "after these changes: conv1: computed in float" in error.problem
    assert "--keep-float" in error.remedy


def test_products_in_int8_graphs_keep_their_rounding_on_turing(graphs):
    plan = PlanBuilder(trt=trt, title="RTX", card=(7, 5)).build(
        graphs.convolutions(rounded=True), PlanOptions(buckets=(1, 4)), lambda _: None
    )
    assert plan.notes == ("fc: float32 product with a weight, written as a 1x1 convolution",)
