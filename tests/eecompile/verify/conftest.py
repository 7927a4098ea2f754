"""A copy of the digits bundle whose files can be changed, with digests that fit."""

import hashlib
import json
import shutil

import onnx
import pytest
from onnx import numpy_helper


class ChangeableBundle:
    def __init__(self, path):
        self.path = path

    @property
    def manifest(self):
        return json.loads((self.path / "manifest.json").read_text())

    def write_manifest(self, content):
        (self.path / "manifest.json").write_text(json.dumps(content))

    def configuration(self, precision):
        return next(c for c in self.manifest["configurations"] if c["precision"] == precision)

    def negate_weights(self, name):
        """Turn the signs of the largest float or integer weights of a graph."""
        model = onnx.load(self.path / name)
        weight = max(model.graph.initializer, key=lambda w: len(w.raw_data))
        weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
        self.write(name, model.SerializeToString())

    def write(self, name, content):
        (self.path / name).write_bytes(content)
        manifest = self.manifest
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        self.write_manifest(manifest)


@pytest.fixture
def changeable(digits_bundle, tmp_path):
    shutil.copytree(digits_bundle, tmp_path / "model.ee")
    shutil.copy(digits_bundle.parent / "model.npz", tmp_path / "model.npz")
    return ChangeableBundle(tmp_path / "model.ee")
