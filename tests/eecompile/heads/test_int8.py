"""A network with every kind of head for images goes through a build with INT8, in both CPU engines."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from eecompile.build.build import build
from eecompile.build.settings import BuildSettings
from eecompile.inspect.weighted import weighted_nodes

SAMPLES = 700


@dataclass(frozen=True)
class OnDisk:
    """What the fixture `finished` builds."""

    path: Path
    settings: BuildSettings

    def build(self, stages, **changes):
        return build(self.path, replace(self.settings, **changes), stages)


@pytest.fixture(scope="module")
def built(images, drawn, finished, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    ir.save(images.model, folder / "net.onnx")
    x, y = drawn(SAMPLES, seed=2)
    np.savez(folder / "net.npz", x=x, y=y)
    settings = BuildSettings(threads=2, max_batch=16, buckets=(1, 16), measure_seconds=0.0, max_quant_drop=0.05)
    return finished(OnDisk(folder / "net.onnx", settings), int8=True)


def test_answers_of_every_head_hardly_change(built):
    trials = {(t.engine, t.precision): t for t in built.report.trials}
    for engine in ("onnxruntime", "openvino"):
        trial = trials[engine, "int8"]
        assert trial.kept
        assert trial.agreement[-1] > 0.98
        assert min(trial.agreement) > 0.95
    assert built.report.keep_float == ()


@pytest.mark.parametrize("way", ["onnxruntime-int8", "openvino-int8"])
def test_every_layer_of_every_head_is_int8(built, images, way):
    segments = built.segments(way)
    assert len(segments) == len(images.module.attachment.exits)
    for segment in segments:
        weighted = weighted_nodes(ir.from_proto(segment))
        assert len(weighted) > 1
        assert set(weighted.values()) == {"int8"}


def test_bag_of_features_computes_its_shares_in_float(built, images):
    kinds = [head.kind for head in images.module.attachment.heads]
    for kind, segment in zip(kinds, built.segments("openvino-int8"), strict=False):
        assert ("Tanh" in {node.op_type for node in segment.node}) == (kind == "bof")
