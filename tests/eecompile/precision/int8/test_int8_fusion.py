"""What the engines make of the graphs: eight bits from the first convolution to the logits."""

from collections import Counter

import onnx
import onnx_ir as ir
import pytest

SEEDS = (0, 3)


def optimised_by_onnxruntime(model, folder):
    import onnxruntime

    from eengines.backends.onnxruntime import session_options

    options = session_options(2)
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 4
    data = ir.to_proto(model).SerializeToString()
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node)


@pytest.mark.parametrize("seed", SEEDS)
def test_onnxruntime_fuses_every_weighted_node(image_network, tmp_path, seed):
    network = image_network(seed)
    for before, after in zip(network.segments, network.lowered["onnxruntime"], strict=True):
        expected = Counter(node.op_type for node in before.graph)
        got = optimised_by_onnxruntime(after, tmp_path)
        assert got["QLinearConv"] == expected["Conv"]
        assert got["QGemm"] == expected["Gemm"]
        assert not {"Conv", "FusedConv", "Gemm", "ReduceMean", "GlobalAveragePool"} & set(got)


@pytest.mark.parametrize("seed", SEEDS)
def test_openvino_computes_every_convolution_on_eight_bits(image_network, openvino_compiled, seed):
    network = image_network(seed)
    for segment in network.lowered["openvino"]:
        precisions = Counter()
        for operation in openvino_compiled(segment).get_runtime_model().get_ordered_ops():
            info = {key: operation.get_rt_info()[key].astype(str) for key in ("layerType", "runtimePrecision")}
            if info["layerType"] in {"Convolution", "FullyConnected"}:
                precisions[info["runtimePrecision"]] += 1
        assert precisions
        assert set(precisions) <= {"u8", "i8"}
