"""A small network with two exits, its checkpoint, and a hand-made ONNX graph with two exits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from eecompile.checkpoint import Checkpoint, InputInfo, save_checkpoint
from eecompile.zoo import lookup

KWARGS = {"channels": [4, 6], "classes": 3, "in_channels": 2}


@pytest.fixture(scope="package")
def network() -> torch.nn.Module:
    """Two exits; input `[batch, 2, 8, 8]`. Batch normalisation with statistics of its own, as after training."""
    torch.manual_seed(0)
    module = lookup("branchy_cnn")(**KWARGS)
    with torch.no_grad():
        for _ in range(3):
            module(torch.rand(16, 2, 8, 8))
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.uniform_(-0.5, 0.5)
    return module.eval()


@pytest.fixture(scope="package")
def checkpoint_file(tmp_path_factory: pytest.TempPathFactory, network: torch.nn.Module) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "model.pt"
    checkpoint = Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=KWARGS,
        state_dict=network.state_dict(),
        exits=("early", "final"),
        inputs=(InputInfo(name="image", shape=(2, 8, 8), dtype="uint8", layout="NCHW", scale=1 / 255),),
        task="classification",
        classes=("a", "b", "c"),
    )
    save_checkpoint(path, checkpoint)
    return path


def make_two_exits(
    *, opset: int = 18, batch: object = "N", size: int = 4, classes: int = 3, logits_type: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """Conv, batch normalisation, ReLU; each exit is a mean over the image and a Gemm, with nodes that have no names."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.uniform(0.1, 1, shape).astype(np.float32), name)

    axes = {"axes": [2, 3]}
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c1", "g", "b", "m", "v"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"]),
    ]
    for index, source in enumerate(("r1", "r2")):
        if opset >= 18:
            nodes.append(helper.make_node("ReduceMean", [source, "axes"], [f"p{index}"], keepdims=0))
        else:
            nodes.append(helper.make_node("ReduceMean", [source], [f"p{index}"], keepdims=0, **axes))
        nodes.append(helper.make_node("Gemm", [f"p{index}", f"h{index}"], [f"exit{index}"]))
    nodes.append(helper.make_node("Relu", ["c1"], ["never used"]))
    weights = [weight("w1", 5, 2, 3, 3), weight("w2", 5, 5, 3, 3), weight("h0", 5, classes), weight("h1", 5, classes)]
    weights += [weight(name, 5) for name in "gbmv"]
    if opset >= 18:
        weights.append(numpy_helper.from_array(np.array([2, 3]), "axes"))
    graph = helper.make_graph(
        nodes,
        "two_exits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 2, size, size])],
        [helper.make_tensor_value_info(f"exit{index}", logits_type, [batch, classes]) for index in range(2)],
        weights,
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8 if opset >= 18 else 7)


@pytest.fixture(scope="session")
def two_exits() -> Callable[..., onnx.ModelProto]:
    """See `make_two_exits`."""
    return make_two_exits
