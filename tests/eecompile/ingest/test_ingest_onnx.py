"""ONNX graphs: upgraded, folded, and refused where the batch or the exits are not what they should be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from eecompile.ingest import IngestSettings, ingest
from eecompile.session import run_model
from eengines.errors import IngestError

MakeGraph = Callable[..., onnx.ModelProto]


def saved(folder: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_opsets_are_raised_and_the_result_is_the_same(tmp_path: Path, two_exits: MakeGraph, opset: int):
    path = saved(tmp_path, two_exits(opset=opset))
    done = ingest(path, IngestSettings())
    assert done.model.opset_imports[""] == 18
    assert [str(value.shape) for value in done.model.graph.outputs] == ["[batch,3]", "[batch,3]"]
    assert str(done.model.graph.inputs[0].shape) == "[batch,2,4,4]"
    images = np.random.default_rng(0).random((5, 2, 4, 4), np.float32)
    before = run_model(ir.load(path), {"image": images})
    got = run_model(done.model, {"image": images})
    for name in done.exits:
        np.testing.assert_allclose(got[name], before[name], rtol=1e-5)


def test_the_graph_is_cleaned(tmp_path: Path, two_exits: MakeGraph):
    done = ingest(saved(tmp_path, two_exits()), IngestSettings())
    nodes = list(done.model.graph)
    assert [node.op_type for node in nodes if node.op_type in {"BatchNormalization", "Relu"}] == ["Relu", "Relu"]
    assert len({node.name for node in nodes}) == len(nodes)
    assert None not in {node.name for node in nodes}
    assert not {"g", "b", "m", "v"} & set(done.model.graph.initializers)
    assert done.reference is None
    assert done.classes is None


@pytest.mark.parametrize("exits", [("exit1", "exit0"), ("exit0",)])
def test_exits_are_selected_in_the_order_given(tmp_path: Path, two_exits: MakeGraph, exits: tuple[str, ...]):
    done = ingest(saved(tmp_path, two_exits()), IngestSettings(exits=exits))
    assert done.exits == exits
    assert tuple(value.name for value in done.model.graph.outputs) == exits
    assert sum(node.op_type == "Conv" for node in done.model.graph) == len(exits)


def test_raw_samples_are_as_the_user_says(tmp_path: Path, two_exits: MakeGraph):
    path = saved(tmp_path, two_exits())
    (info,) = ingest(path, IngestSettings()).inputs
    assert (info.name, info.shape, info.dtype, info.scale) == ("image", (2, 4, 4), "float32", None)
    settings = IngestSettings(input_dtype="uint8", layout="NHWC", scale=0.5, mean=(0.1, 0.2), std=(0.3,))
    (info,) = ingest(path, settings).inputs
    assert (info.shape, info.dtype, info.layout, info.mean) == ((4, 4, 2), "uint8", "NHWC", (0.1, 0.2))
    assert info.network_shape == (2, 4, 4)


def test_initialisers_listed_as_inputs_are_no_inputs(tmp_path: Path, two_exits: MakeGraph):
    model = two_exits(opset=13)
    for weight in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims))
    done = ingest(saved(tmp_path, model), IngestSettings())
    assert [value.name for value in done.model.graph.inputs] == ["image"]


def text_network() -> onnx.ModelProto:
    """Embedding of 10 tokens, masked mean, linear; two inputs with batch axes of different names."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["embedded"]),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["embedded", "wide"], ["masked"]),
        helper.make_node("ReduceMean", ["masked", "one"], ["pooled"], keepdims=0),
        helper.make_node("MatMul", ["pooled", "head"], ["logits"]),
    ]
    weights = [
        numpy_helper.from_array(rng.random((10, 6), np.float32), "table"),
        numpy_helper.from_array(rng.random((6, 2), np.float32), "head"),
        numpy_helper.from_array(np.array([-1]), "last"),
        numpy_helper.from_array(np.array([1]), "one"),
    ]
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", 7]),
        helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["M", 7]),
    ]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, None])]
    graph = helper.make_graph(nodes, "text", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def test_several_inputs_share_one_batch(tmp_path: Path):
    done = ingest(saved(tmp_path, text_network()), IngestSettings())
    assert [str(value.shape) for value in done.model.graph.inputs] == ["[batch,7]", "[batch,7]"]
    assert [(info.name, info.dtype) for info in done.inputs] == [("ids", "int64"), ("mask", "float32")]
    assert str(done.model.graph.outputs[0].shape) == "[batch,2]"


def test_flags_for_one_input_do_not_fit_two(tmp_path: Path):
    with pytest.raises(IngestError, match="got --scale, but the network has 2 inputs"):
        ingest(saved(tmp_path, text_network()), IngestSettings(scale=2.0))


def test_external_data_in_the_folder_is_read_and_hashed(tmp_path: Path, two_exits: MakeGraph):
    path = tmp_path / "model.onnx"
    onnx.save(two_exits(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    first = ingest(path, IngestSettings())
    data = bytearray((tmp_path / "weights.bin").read_bytes())
    data[3] ^= 1
    (tmp_path / "weights.bin").write_bytes(data)
    second = ingest(path, IngestSettings())
    assert first.source_sha256 != second.source_sha256
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(IngestError, match=r"needs the file 'weights\.bin', which is not there"):
        ingest(path, IngestSettings())
    assert run_model(first.model, {"image": np.ones((1, 2, 4, 4), np.float32)})["exit0"].shape == (1, 3)


@pytest.mark.parametrize("inside", [False, True])
def test_external_data_elsewhere_is_refused(tmp_path: Path, two_exits: MakeGraph, inside: bool):
    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(two_exits(), folder / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (folder / "w.bin").rename(tmp_path / "secret.bin")
    if inside:
        (folder / "w.bin").symlink_to(tmp_path / "secret.bin")
    else:
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        for weight in model.graph.initializer:
            weight.external_data[0].value = "../secret.bin"
        (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(IngestError, match="expected a file in the model's folder"):
        ingest(folder / "model.onnx", IngestSettings())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 1}, r"input 'image' has shape \[1, 2, 4, 4\], expected a symbolic batch.*dynamic batch"),
        ({"size": "H"}, "expected fixed sizes after the batch"),
        ({"logits_type": TensorProto.INT64}, "is not a valid ONNX graph"),
    ],
)
def test_refusals(tmp_path: Path, two_exits: MakeGraph, changes: dict[str, Any], words: str):
    with pytest.raises(IngestError, match=words):
        ingest(saved(tmp_path, two_exits(**changes)), IngestSettings())


@pytest.mark.parametrize(
    ("node", "element", "shape", "words"),
    [
        (helper.make_node("ArgMax", ["exit1"], ["y"]), TensorProto.INT64, [None] * 2, r"exit 'y' is INT64 \[1, 3\]"),
        (
            helper.make_node("Einsum", ["r2"], ["y"], equation="nchw->nch"),
            TensorProto.FLOAT,
            [None] * 3,
            r"expected \[batch, classes\] or \[batch, c",
        ),
        (helper.make_node("ReduceMean", ["exit1"], ["y"]), TensorProto.FLOAT, [1, 1], r"\[1, 1\], expected one row"),
        (
            helper.make_node("Cast", ["exit1"], ["y"], to=11),
            TensorProto.DOUBLE,
            [None] * 2,
            "is DOUBLE .*expected float32",
        ),
        (
            helper.make_node("Identity", ["image"], ["y"]),
            TensorProto.FLOAT,
            [None] * 4,
            r"different shapes: exit0: \[3\], y: \[2, 4, 4\]",
        ),
    ],
)
def test_outputs_that_are_no_logits(
    tmp_path: Path, two_exits: MakeGraph, node: onnx.NodeProto, element: int, shape: object, words: str
):
    model = two_exits()
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info("y", element, shape))
    with pytest.raises(IngestError, match=words):
        ingest(saved(tmp_path, model), IngestSettings(exits=("exit0", "y")))


def test_exits_with_different_classes(tmp_path: Path, two_exits: MakeGraph):
    model = two_exits()
    model.graph.node.append(helper.make_node("Concat", ["exit1", "exit1"], ["y"], axis=1))
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None]))
    with pytest.raises(IngestError, match="different numbers of classes: exit0: 3, y: 6"):
        ingest(saved(tmp_path, model), IngestSettings(exits=("exit0", "y")))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (IngestSettings(exits=("exit0", "nope")), "got --exits exit0,nope, the model has exit0, exit1"),
        (IngestSettings(factory="a:b"), "got --factory, but an ONNX graph needs none"),
        (IngestSettings(input_shape=(4, 4, 2)), "got --input-shape 4,4,2, the network's input 'image' takes 2,4,4"),
        (IngestSettings(mean=(1.0, 2.0, 3.0)), "has 3 values of mean, expected 1 or 2"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, two_exits: MakeGraph, settings: IngestSettings, words: str):
    with pytest.raises(IngestError, match=words):
        ingest(saved(tmp_path, two_exits()), settings)


@pytest.mark.parametrize("kept", [0, 200, 500])
def test_truncated_files(tmp_path: Path, two_exits: MakeGraph, kept: int):
    (tmp_path / "model.onnx").write_bytes(two_exits().SerializeToString()[:kept])
    with pytest.raises(IngestError, match=r"model\.onnx"):
        ingest(tmp_path / "model.onnx", IngestSettings())


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(IngestError, match="no such file"):
        ingest(tmp_path / "none.onnx", IngestSettings())


def test_the_same_file_gives_the_same_bytes(tmp_path: Path, two_exits: MakeGraph):
    path = saved(tmp_path, two_exits())
    first, second = (ir.to_proto(ingest(path, IngestSettings()).model).SerializeToString() for _ in range(2))
    assert first == second
