"""Which configuration policies are tried on: one of the bundle, and of those that fit the fastest chain."""

from dataclasses import replace

import pytest

from eecompile.tune.configuration_to_try import configuration_to_try, configurations_here
from eengines.errors import UserError
from eerun.bundle import amend_bundle
from eerun.choose_configuration import AUTO

NAMES = "onnxruntime-int8, onnxruntime-float32"


def tried(copy, **asked):
    bundle = copy.bundle
    return configuration_to_try(bundle, configurations_here(bundle), **{"engine": AUTO, "precision": AUTO, **asked})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "onnxruntime-int8"),
        ({"engine": "onnxruntime"}, "onnxruntime-int8"),
        ({"precision": "float32"}, "onnxruntime-float32"),
        ({"recorded": "onnxruntime-float32"}, "onnxruntime-float32"),
        ({"recorded": "openvino-int8"}, "onnxruntime-int8"),
        ({"recorded": "onnxruntime-float32", "precision": "int8"}, "onnxruntime-int8"),
    ],
)
def test_the_fastest_of_those_that_fit(tunable, asked, expected):
    assert tried(tunable, **asked).name == expected


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"engine": "openvino"}, rf"--engine: got 'openvino', the configurations of the bundle are {NAMES}"),
        ({"engine": "reference", "precision": "float32"}, "--engine: got 'reference' with --precision float32, the"),
        ({"precision": "bfloat16"}, rf"--precision: got 'bfloat16', the configurations of the bundle are {NAMES}"),
    ],
)
def test_what_the_bundle_does_not_have_is_refused(tunable, asked, message):
    with pytest.raises(UserError, match=message):
        tried(tunable, **asked)


def test_heads_that_are_apart_count(copied, trace, stages):
    copied.tune(stages, "patience", trace=trace, split_heads=True)
    assert tried(copied).name == "onnxruntime-int8"
    entry = copied.bundle.manifest.configurations[0]
    costs = copied.bundle.costs(entry)
    apart = replace(costs, head_ms=((5.0, 5.0),) * (costs.segments - 1))
    amend_bundle(copied.path, lambda manifest: manifest.configurations, {entry.costs: apart})
    assert tried(copied).name == "onnxruntime-float32"
