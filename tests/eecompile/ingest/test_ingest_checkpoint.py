"""A checkpoint becomes an ONNX graph that computes what its module computes."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from eecompile.ingest import Ingested, IngestSettings, check_against_torch, ingest
from eengines.errors import IngestError


@pytest.fixture(scope="module")
def ingested(checkpoint_file: Path) -> Ingested:
    return ingest(checkpoint_file, IngestSettings())


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, 2, 8, 8), np.float32)


def test_the_graph_is_batch_first_and_symbolic(ingested: Ingested):
    (image,) = ingested.model.graph.inputs
    assert (image.name, str(image.shape), image.dtype) == ("image", "[batch,2,8,8]", ir.DataType.FLOAT)
    assert [(v.name, str(v.shape)) for v in ingested.model.graph.outputs] == [
        ("early", "[batch,3]"),
        ("final", "[batch,3]"),
    ]
    assert ingested.exits == ("early", "final")
    assert ingested.classes == ("a", "b", "c")
    assert ingested.task == "classification"
    assert ingested.inputs[0].dtype == "uint8"
    assert len(ingested.source_sha256) == 64


@pytest.mark.parametrize("count", [1, 2, 7])
def test_it_computes_what_torch_computes(ingested: Ingested, network: torch.nn.Module, count: int):
    assert ingested.reference is not None
    assert check_against_torch(ingested.model, ingested.reference, {"image": images(count)}) < 1e-5
    with torch.no_grad():
        expected = network(torch.from_numpy(images(count)))
    for got, logits in zip(ingested.reference({"image": images(count)}), expected, strict=True):
        np.testing.assert_array_equal(got, logits.numpy())


def test_batch_normalisation_is_folded_and_nodes_are_named(ingested: Ingested):
    nodes = list(ingested.model.graph)
    assert "BatchNormalization" not in {node.op_type for node in nodes}
    names = [node.name for node in nodes]
    assert all(names)
    assert len(set(names)) == len(names)


def test_nothing_of_the_machine_is_left_in_the_graph(ingested: Ingested):
    text = ir.to_proto(ingested.model).SerializeToString()
    assert str(Path(__file__).parents[3]).encode() not in text
    assert b"stack_trace" not in text


def test_a_wrong_graph_is_found(ingested: Ingested):
    assert ingested.reference is not None
    model = ir.from_proto(ir.to_proto(ingested.model))
    name, weight = next(
        (n, v) for n, v in model.graph.initializers.items() if v.shape is not None and len(v.shape) == 1
    )
    model.graph.initializers[name].const_value = ir.tensor(weight.const_value.numpy() + 0.01, name=name)
    with pytest.raises(IngestError, match=r"exit '\w+': the graph and torch differ by"):
        check_against_torch(model, ingested.reference, {"image": images(3)})


def test_what_is_not_finite_is_found(ingested: Ingested):
    assert ingested.reference is not None
    with pytest.raises(IngestError, match="exit 'early': the logits are not finite"):
        check_against_torch(ingested.model, ingested.reference, {"image": np.full((2, 2, 8, 8), np.nan, np.float32)})


def graph_digest(ingested: Ingested) -> str:
    return hashlib.sha256(ir.to_proto(ingested.model).SerializeToString(deterministic=True)).hexdigest()


def test_silent_and_repeatable_in_another_process(checkpoint_file: Path, ingested: Ingested):
    program = (
        "import sys, hashlib, onnx_ir as ir\n"
        "from pathlib import Path\n"
        "from eecompile.ingest import IngestSettings, ingest\n"
        "done = ingest(Path(sys.argv[1]), IngestSettings())\n"
        "print(hashlib.sha256(ir.to_proto(done.model).SerializeToString(deterministic=True)).hexdigest())\n"
        "print(done.source_sha256)\n"
    )
    command = [sys.executable, "-W", "default", "-c", program, str(checkpoint_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == [graph_digest(ingested), ingested.source_sha256]


def test_exits_are_selected(checkpoint_file: Path, ingested: Ingested):
    done = ingest(checkpoint_file, IngestSettings(exits=("early",)))
    assert done.exits == ("early",)
    assert [value.name for value in done.model.graph.outputs] == ["early"]
    assert len(list(done.model.graph)) < len(list(ingested.model.graph))
    assert done.reference is not None
    assert check_against_torch(done.model, done.reference, {"image": images(2)}) < 1e-5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (IngestSettings(exits=("early", "late")), "got --exits early,late, the model has early, final"),
        (IngestSettings(exits=("early", "early")), "Name each exit once"),
        (IngestSettings(scale=0.5, input_shape=(2, 8, 8)), "got --input-shape, --scale, but a checkpoint describes"),
    ],
)
def test_refusals(checkpoint_file: Path, settings: IngestSettings, words: str):
    with pytest.raises(IngestError, match=words):
        ingest(checkpoint_file, settings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exits": ["only"]}, "forward returns 2 tensors for the 1 exits"),
        ({"input": {"shape": [5, 8, 8], "dtype": "uint8"}}, r"forward fails on an input of float32 \[3, 5, 8, 8\]"),
        ({"fold": 2, "fold_widths": "exact"}, "weights do not fit: missing body"),
    ],
)
def test_checkpoints_that_contradict_their_module(checkpoint_file: Path, tmp_path: Path, changes: dict, words: str):
    torch.save({**torch.load(checkpoint_file, weights_only=True), **changes}, tmp_path / "model.pt")
    with pytest.raises(IngestError, match=words):
        ingest(tmp_path / "model.pt", IngestSettings())
