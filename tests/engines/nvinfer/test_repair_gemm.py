"""Float32 products that TensorRT for RTX refuses on SM75: rewritten, they are the same products."""

import numpy as np
import pytest
from required import require_rtx

from eengines.device_engine import PlanOptions
from eengines.nvinfer.build_plan import PlanBuilder
from eengines.nvinfer.messages import messages
from eengines.nvinfer.parse_graph import parse_graph
from eengines.nvinfer.repair_gemm import REFUSAL, repair_gemm

trt = require_rtx()

BATCH = 3
RANDOM = np.random.default_rng(0)


def weight(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


CASES = {
    "matmul": (("MatMul", [6], [5], weight(6, 5)), {}, True),
    "square": (("MatMul", [5], [5], weight(5, 5)), {}, True),
    "gemm, transposed": (("Gemm", [6], [5], weight(5, 6)), {"transB": 1}, True),
    "one column": (("MatMul", [6], [1], weight(6, 1)), {}, True),
    "rank 3": (("MatMul", [4, 6], [4, 5], weight(1, 6, 5)), {}, True),
    "rank 3, square": (("MatMul", [6, 6], [6, 6], weight(1, 6, 6)), {}, True),
    "rank 4": (("MatMul", [2, 4, 6], [2, 4, 5], weight(1, 1, 6, 5)), {}, True),
    "a matrix for each row": (("MatMul", [2, 4, 6], [2, 4, 5], weight(1, 2, 6, 5)), {}, False),
    "weight on the left": (("MatMul", [4, 6], [5, 6], weight(1, 5, 4)), {"left": True}, False),
    "rank 5": (("MatMul", [2, 2, 4, 6], [2, 2, 4, 5], weight(1, 1, 1, 6, 5)), {}, False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_same_product(name, graphs, evaluate):
    (op, shape, out, matrix), more, exact = CASES[name]
    graph = graphs.one(op, shape, out, matrix, **more)
    x = {"x": np.random.default_rng(1).standard_normal((BATCH, *shape))}
    with messages():
        before, after = parse_graph(trt, graph), parse_graph(trt, graph)
        expected = evaluate(trt, before.network, x).outputs["y"]

        (note,) = repair_gemm(trt, after.network, f"operation 'node': {REFUSAL}.")

        got = evaluate(trt, after.network, x).outputs["y"]
    assert got.shape == expected.shape == (BATCH, *out)
    assert np.allclose(got, expected, rtol=0, atol=1e-12 if exact else 0.02)
    assert ("1x1 convolution" in note) == exact
    assert not exact or not np.allclose(expected, 0)


@pytest.mark.parametrize("name", CASES)
def test_it_builds_for_turing(name, graphs):
    (op, shape, out, matrix), more, exact = CASES[name]
    plan = PlanBuilder(trt=trt, title="RTX", card=(7, 5)).build(
        graphs.one(op, shape, out, matrix, **more), PlanOptions(buckets=(1, 8)), lambda _: None
    )
    assert len(plan.content) > 1000
    (note,) = plan.notes
    assert note.startswith("node: float32 product")
    assert ("1x1 convolution" in note) == exact


def test_einsum_and_products_of_two_activations_are_cast(graphs):
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], "turn", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["m"], "square"),
        helper.make_node("Einsum", ["m", "w"], ["y"], "einsum", equation="bij,jk->bik"),
    ]
    borders = [("x", TensorProto.FLOAT, [4, 6])], [("y", TensorProto.FLOAT, [4, 3]), ("m", TensorProto.FLOAT, [4, 4])]
    graph = graphs.made(nodes, *borders, [("w", weight(4, 3))])
    plan = PlanBuilder(trt=trt, title="RTX", card=(7, 5)).build(graph, PlanOptions(buckets=(2,)), lambda _: None)
    assert [note.split(":")[0] for note in plan.notes] == ["square", "einsum"]
    assert all("float16" in note for note in plan.notes)


def test_outputs_keep_names_order_and_types(graphs):
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["first"], "one"),
        helper.make_node("Relu", ["first"], ["second"], "two"),
        helper.make_node("MatMul", ["second", "w"], ["third"], "three"),
    ]
    outputs = [(name, TensorProto.FLOAT, [6]) for name in ("third", "second", "first")]
    graph = graphs.made(nodes, [("x", TensorProto.FLOAT, [6])], outputs, [("w", weight(6, 6))])
    with messages():
        network = parse_graph(trt, graph)
        assert len(repair_gemm(trt, network.network, REFUSAL)) == 2
        found = [network.network.get_output(index) for index in range(network.network.num_outputs)]
        assert [tensor.name for tensor in found] == ["third", "second", "first"]
        assert all(tensor.dtype == trt.DataType.FLOAT for tensor in found)
        assert repair_gemm(trt, network.network, REFUSAL) == (), "nothing is left to be changed"


def test_another_refusal_changes_nothing(graphs):
    with messages():
        parsed = parse_graph(trt, graphs.convolutions())
        assert repair_gemm(trt, parsed.network, "3D convolution is not supported") == ()
