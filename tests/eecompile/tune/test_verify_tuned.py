"""A bundle whose exits answer with the state of their policy verifies, and a wrong exit of it is still found."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from eecompile.tune.variant import Shape, make_graphs
from eecompile.verify import verify
from eengines.errors import BundleError
from eerun.bundle import rewrite_bundle
from eerun.policies import GeometricEnsemblePolicy, parameters_of

WEIGHTS = {"float32": (1.0, 1.0), "int8": (3.0, 0.2)}
"""Of the exits in the ensemble: each configuration has parameters of its own, as it has after tuning."""


@pytest.fixture
def ensemble(copied):
    """Exits answer with the ensemble of all exits so far."""
    bundle, files = copied.bundle, {}
    for entry in bundle.manifest.configurations:
        old = bundle.policy(entry)
        policy = GeometricEnsemblePolicy(classes=4, weights=WEIGHTS[entry.precision], carried=(0.0, 1.0))
        graphs = make_graphs(bundle, entry.segments, entry.heads, Shape(kept=(0, 1)), policy)
        files |= dict(zip(entry.segments, graphs.segments, strict=True))
        files[entry.policy] = replace(old, policy=policy.name, parameters=parameters_of(policy))
    rewrite_bundle(copied.path, lambda manifest: manifest, files)
    return copied


def check(tuned, precision):
    return verify(tuned.path, data=None, engine="onnxruntime", precision=precision, samples=64)


def negate_weights(tuned, path):
    """Turn the signs of the largest weights of a graph."""
    model = onnx.load_from_string(tuned.bundle.read(path))
    weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    weight.CopyFrom(numpy_helper.from_array(np.negative(numpy_helper.to_array(weight)), weight.name))
    rewrite_bundle(tuned.path, lambda manifest: manifest, {path: model.SerializeToString()})


def test_exits_are_compared_by_their_own_logits(ensemble):
    found = check(ensemble, "auto")
    assert {each.precision for each in found.checks} == {"float32", "int8"}
    for each in found.checks:
        assert len(each.exit_errors) == 3
        assert max(each.exit_errors) <= each.allowed_error
    float32 = next(each for each in found.checks if each.precision == "float32")
    assert max(float32.exit_errors) == 0, "it is what all are compared with"


def test_a_wrong_exit_is_found(ensemble):
    entry = next(each for each in ensemble.bundle.manifest.configurations if each.precision == "int8")
    negate_weights(ensemble, entry.segments[0])
    with pytest.raises(BundleError, match="int8"):
        check(ensemble, "int8")
