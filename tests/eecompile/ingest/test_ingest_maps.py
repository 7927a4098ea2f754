"""Exits with one class a pixel: accepted with fixed sizes and one shape, and known as segmentation."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from eecompile.ingest import IngestSettings, ingest
from eecompile.ingest.network import check_logits
from eengines.errors import IngestError

SIZES = {"early": (3, 4, 4), "final": (3, 4, 4)}


def saved(folder: Path, **changes: tuple[int | str, ...]) -> Path:
    """`x [batch, 2, 4, 4]`; each exit is a 1 × 1 convolution, declared with a shape."""
    random, sizes = np.random.default_rng(0), SIZES | changes
    nodes = [helper.make_node("Conv", ["x", f"w_{name}"], [name], name=name) for name in sizes]
    stored = [
        numpy_helper.from_array(random.standard_normal((size[0], 2, 1, 1)).astype(np.float32), f"w_{name}")
        for name, size in sizes.items()
    ]
    height, width = sizes["final"][1:]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, height, width])
    made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", *size]) for n, size in sizes.items()]
    graph = helper.make_graph(nodes, "maps", [x], made, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "m.onnx")
    return folder / "m.onnx"


def test_maps_are_segmentation(tmp_path: Path):
    done = ingest(saved(tmp_path), IngestSettings())
    assert done.task == "segmentation"
    assert [str(value.shape) for value in done.model.graph.outputs] == ["[batch,3,4,4]"] * 2


def test_exits_have_one_shape(tmp_path: Path):
    path = saved(tmp_path, early=(5, 4, 4))
    with pytest.raises(IngestError, match=r"different shapes: early: \[5, 4, 4\], final: \[3, 4, 4\]"):
        ingest(path, IngestSettings())


def test_a_height_that_is_not_fixed_is_refused(tmp_path: Path):
    path = saved(tmp_path, early=(3, "h", 4), final=(3, "h", 4))
    with pytest.raises(IngestError, match="fixed sizes"):
        ingest(path, IngestSettings())


@pytest.mark.parametrize(("shape", "fits"), [((3, 5), True), ((3, 5, 4, 4), True), ((3, 5, 4), False), ((2, 5), False)])
def test_what_forward_may_return(shape, fits):
    outputs = (torch.zeros(shape),)
    if fits:
        assert check_logits(outputs, where="here")[0].shape == shape
    else:
        with pytest.raises(IngestError, match=r"\[3, classes\] or \[3, classes, height, width\]"):
            check_logits(outputs, where="here")
