"""The networks of FoldedCNNs, folded or not, with random weights: as ONNX graphs in any precision, without an export.

All of them are convolutions, ReLU, max-pooling and fully connected layers in one sequence, so that their graphs are
written layer by layer; each is compared with torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from eecalib.int8.calibrators import calibrator_by_name
from eecalib.int8.collect import RangeCollector
from eecalib.int8.ranges import Ranges
from eecompile.build.lower_graphs import Lowering, lower_graphs
from eecompile.fold import FoldSpec, fold_network
from eecompile.precision.int8 import calibration_values
from eecompile.session import WatchedModel
from eecompile.split import Split
from eecompile.split.plan import SplitPlan
from eecompile.zoo.folded_cnn import GAMES, NOSCOPE, SmallCnn, game_cnn, noscope_cnn
from eengines.tensors import Array
from eerun.folding import to_rows

__all__ = ["INPUT", "NETWORKS", "FoldedGraph", "folded_graph", "image_shape"]

NETWORKS = tuple(name for name in (*GAMES, *NOSCOPE) if name != "night")
"""Tasks of the zoo; `night` has the network of `coral`."""

INPUT = "x"
OPSET, IR_VERSION = 20, 9
WEIGHT_SEED, IMAGE_SEED = 0, 1
CALIBRATION_IMAGES = 64
CHECKED_IMAGES = 8
TOLERANCE = 1e-4
"""Of logits in float32, relative to their largest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldedGraph:
    """One network, folded by one factor.

    Attributes:
        fold: images a row; 1: not folded.
        shapes: of all weights; equal ones make equal graphs.
        source: float32 graph and INT8 ranges.
    """

    fold: int
    shapes: tuple[tuple[int, ...], ...]
    source: Lowering

    def lower(self, engine: str, precision: str) -> bytes:
        """The graph as an engine runs it: `[rows, 3, h, w]`, folded `[rows, fold, 3, h, w]`, to logits."""
        return lower_graphs(self.source, family=engine, precision=precision).whole


def image_shape(task: str) -> tuple[int, int, int]:
    """Channels, height and width."""
    return (3, 50, 50) if task in NOSCOPE else (3, GAMES[task].height, GAMES[task].width)


def folded_graph(task: str, fold: int, widths: str) -> FoldedGraph:
    """Make a network with random weights, write its graph and calibrate it on random images.

    Raises:
        RuntimeError: the graph does not answer like the network.
    """
    shape = image_shape(task)
    torch.manual_seed(WEIGHT_SEED)
    network = noscope_cnn(task) if task in NOSCOPE else game_cnn(task)
    body: nn.Module = network
    if fold > 1:
        body = fold_network(network, FoldSpec(fold, widths), shape, where=task).body
    assert isinstance(body, SmallCnn)
    model = _graph([*_parts(body.features), nn.Flatten(), *_parts(body.classifier)], shape, fold)
    images = np.random.default_rng(IMAGE_SEED).random((CALIBRATION_IMAGES, *shape), np.float32)
    rows = images if fold == 1 else to_rows(images, fold)
    _check(model, body, rows[:CHECKED_IMAGES], task)
    whole = Split(segments=(), plan=SplitPlan(segments=()), whole=model, whole_macs=0, exit_macs=())
    return FoldedGraph(
        fold=fold,
        shapes=tuple(tuple(weight.shape) for weight in body.parameters()),
        source=Lowering(split=whole, ranges=_calibrate(model, rows), keep_float=frozenset()),
    )


def _parts(part: nn.Module) -> list[nn.Module]:
    return [*part.children()] if isinstance(part, nn.Sequential) else [part]


def _graph(parts: Sequence[nn.Module], shape: tuple[int, int, int], fold: int) -> ir.Model:
    """One node a layer; in front and behind, reshapes between images and rows."""
    nodes, weights, value = [], [], INPUT
    raw = ["rows", *shape] if fold == 1 else ["rows", fold, *shape]
    if fold > 1:
        weights.append(numpy_helper.from_array(np.array([0, fold * shape[0], *shape[1:]]), "joined"))
        nodes.append(helper.make_node("Reshape", [value, "joined"], ["rows_of_images"], name="join"))
        value = "rows_of_images"
    for index, part in enumerate(parts):
        name, made = f"{type(part).__name__.lower()}_{index}", f"value_{index}"
        given = [value]
        for kind, weight in part.named_parameters():
            weights.append(numpy_helper.from_array(weight.detach().numpy(), f"{name}.{kind}"))
            given.append(f"{name}.{kind}")
        operator, attributes = _operator(part)
        nodes.append(helper.make_node(operator, given, [made], name=name, **attributes))
        value = made
    if fold > 1:
        weights.append(numpy_helper.from_array(np.array([0, fold, -1]), "apart"))
        nodes.append(helper.make_node("Reshape", [value, "apart"], ["logits"], name="part"))
    nodes[-1].output[0] = "logits"
    output = helper.make_tensor_value_info(
        "logits", TensorProto.FLOAT, ["rows", *([None] if fold == 1 else [fold, None])]
    )
    graph = helper.make_graph(
        nodes, "folded", [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, raw)], [output], weights
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True))


def _operator(part: nn.Module) -> tuple[str, dict[str, object]]:
    """The ONNX operator of a layer of these networks."""
    if isinstance(part, nn.Conv2d):
        height, width = part.padding
        return "Conv", {"kernel_shape": [*part.kernel_size], "pads": [height, width, height, width]}
    if isinstance(part, nn.MaxPool2d):
        return "MaxPool", {"kernel_shape": [part.kernel_size] * 2, "strides": [part.stride] * 2}
    if isinstance(part, nn.Linear):
        return "Gemm", {"transB": 1}
    return {nn.ReLU: ("Relu", {}), nn.Flatten: ("Flatten", {})}[type(part)]


def _check(model: ir.Model, body: nn.Module, rows: Array, task: str) -> None:
    """Compare the graph with torch."""
    (logits,) = (values for name, values in WatchedModel(model, []).run({INPUT: rows}).items() if name != INPUT)
    with torch.no_grad():
        x = torch.from_numpy(rows)
        expected = body.eval()(x if x.ndim == 4 else x.flatten(1, 2)).numpy()
    error = np.abs(logits.reshape(expected.shape) - expected).max() / np.abs(expected).max()
    if not error <= TOLERANCE:
        raise RuntimeError(f"{task}: the graph differs from the network by {error:.1e}")


def _calibrate(model: ir.Model, rows: Array) -> Ranges:
    """Ranges of all values that an engine may round, min-max."""
    names = calibration_values(model, keep_float=frozenset())
    chosen = calibrator_by_name("min-max")
    collector = RangeCollector(bins=chosen.needs_bins)
    found = WatchedModel(model, set(names)).run({INPUT: rows})
    for name in names:
        collector.add(name, found[name])
    tensors = collector.ranges(chosen)
    return Ranges(
        method="min-max", calibrate_on="all", data_sha256="", samples=(len(rows),), tensors=tensors, whole=tensors
    )
