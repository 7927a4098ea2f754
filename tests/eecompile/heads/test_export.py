"""Every kind of head exports, answers like torch at every batch, in both CPU engines, and splits."""

import numpy as np
import onnx_ir as ir
import pytest

from eecompile.heads import KINDS
from eecompile.session import run_model
from eecompile.split import split_model
from eengines.backends import load_backend
from eengines.tensors import allocate
from eerun.policies import policy_by_name

TOLERANCE = 2e-5
"""Of the spread of the logits."""


@pytest.fixture(params=["images", "text", "scenes"])
def exported(request):
    return request.getfixturevalue(request.param)


def assert_same(answers, expected):
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer.shape == wanted.shape
        assert np.abs(answer - wanted).max() <= TOLERANCE * max(1, np.abs(wanted).max())


def run_engine(name, model, arrays, outputs):
    engine = load_backend(name).load(ir.to_proto(model).SerializeToString(), threads=2)
    batch = len(next(iter(arrays.values())))
    buffers = {spec.name: allocate(spec, batch) for spec in (*engine.inputs, *engine.outputs)}
    for spec in engine.inputs:
        buffers[spec.name][:] = arrays[spec.name]
    inputs = {spec.name: buffers[spec.name] for spec in engine.inputs}
    engine.open(inputs, {spec.name: buffers[spec.name] for spec in engine.outputs}).run()
    return [buffers[name] for name in outputs]


def test_every_kind_is_exported_somewhere(images, text, scenes):
    kinds = {head.kind for network in (images, text, scenes) for head in network.module.attachment.heads}
    assert kinds == set(KINDS)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_graphs_answer_like_torch(exported, engine):
    names = exported.module.attachment.exits
    for batch in (1, 3, 5):
        answers = run_engine(engine, exported.model, exported.arrays(batch), names)
        assert_same(answers, exported.expected(batch))


def test_exits_tell_samples_apart(exported):
    for answer in exported.expected(5):
        assert np.abs(answer - answer[:1]).max() > 1e-3


@pytest.mark.parametrize("network", ["images", "text"])
def test_segments_in_a_row_answer_like_torch(request, network):
    exported = request.getfixturevalue(network)
    exits = exported.module.attachment.exits
    split = split_model(exported.model, exits, exported.arrays(3), policy_by_name("max-probability"))
    for batch in (1, 3, 5):
        values, answers = exported.arrays(batch), []
        for segment in split.segments:
            read = [value.name for value in segment.model.graph.inputs]
            made = run_model(segment.model, {name: values[name] for name in read})
            values.update(made)
            answers.append(made[segment.logits])
        assert_same(answers, exported.expected(batch))
    nodes = [name for segment in split.plan.segments for name in segment.operations]
    assert len(nodes) == len(set(nodes))


@pytest.mark.parametrize("network", ["images", "scenes"])
def test_graphs_hold_no_computed_sizes(request, network):
    exported = request.getfixturevalue(network)
    assert not {"Shape", "Size", "If", "Loop"} & {node.op_type for node in exported.model.graph}
