"""ONNX graphs with a second symbolic axis: taken with the greatest length along it, refused where it is unclear."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from text_networks import ONNX_LONGEST, text_graph

from eecompile.ingest import IngestSettings, ingest
from eecompile.ingest.sequence_axis import find_sequence
from eecompile.session import run_model
from eengines.errors import IngestError

WITH_LENGTH = IngestSettings(sequence_max=ONNX_LONGEST)


@pytest.fixture
def saved(tmp_path):
    def save(*shapes):
        onnx.save(text_graph(shapes) if shapes else text_graph(), tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return save


def test_inputs_share_one_length_and_any_runs(saved):
    path = saved()
    done = ingest(path, WITH_LENGTH)
    assert [str(value.shape) for value in done.model.graph.inputs] == ["[batch,length]", "[batch,length]"]
    assert [(info.name, info.shape, info.sequence, info.pad) for info in done.inputs] == [
        ("input_ids", (ONNX_LONGEST,), 0, 0),
        ("attention_mask", (ONNX_LONGEST,), 0, 0),
    ]
    before = ir.load(path)
    for length in (1, 7, ONNX_LONGEST):
        ids = np.random.default_rng(length).integers(1, 40, (2, length))
        arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        expected, got = run_model(before, arrays), run_model(done.model, arrays)
        for name in done.exits:
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, atol=1e-6)


def test_an_input_without_the_axis_keeps_its_size(saved):
    done = ingest(saved(["N", "T"], ["N", 1]), WITH_LENGTH)
    assert [(info.shape, info.sequence) for info in done.inputs] == [((ONNX_LONGEST,), 0), ((1,), None)]


@pytest.mark.parametrize(
    ("shapes", "settings", "words"),
    [
        ((), IngestSettings(), r"has shape \[N, T\], expected fixed sizes after the batch.*--sequence-max"),
        ((["N", 9], ["N", 9]), WITH_LENGTH, r"no input has a second symbolic axis.*leave out --sequence-max"),
        ((["N", "T"], ["N", "S"]), WITH_LENGTH, r"different sequence axes: input_ids: T, attention_mask: S"),
        ((["N", None], ["N", None]), WITH_LENGTH, r"input_ids: without a name.*one Dim for the length"),
        ((["N", "N"], ["N", "N"]), WITH_LENGTH, r"one symbolic axis 'N' for batch and sequence"),
    ],
)
def test_what_is_unclear_is_refused(saved, shapes, settings, words):
    with pytest.raises(IngestError, match=words):
        ingest(saved(*shapes), settings)


def test_two_lengths_of_one_input_are_refused():
    value = ir.Value(name="x", shape=ir.Shape(["N", "T", "U"]))
    with pytest.raises(IngestError, match=r"\[N, T, U\], expected one symbolic axis after the batch"):
        find_sequence([value], allowed=True, where="here")


def test_other_formats_take_no_greatest_length(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    settings = IngestSettings(sequence_max=8, trust=True, input_shape=(2,))
    with pytest.raises(IngestError, match="only checkpoints and ONNX graphs can have a sequence axis"):
        ingest(tmp_path / "net.pt", settings)
