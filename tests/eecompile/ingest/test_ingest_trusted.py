"""Formats that can run code are refused unless trusted; trusted, they become the same graph."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from eecompile.ingest import IngestSettings, check_against_torch, ingest
from eengines.errors import IngestError

IMAGES = {"x": np.random.default_rng(0).random((5, 2, 8, 8), np.float32)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, network: torch.nn.Module) -> dict[str, Path]:
    """The same network in every format that is not safe."""
    folder = tmp_path_factory.mktemp("trusted")
    example = (torch.rand(3, 2, 8, 8),)
    paths = {name: folder / f"{name}.pt" for name in ("module", "script")}
    paths |= {name: folder / f"{name}.pt2" for name in ("program", "fixed")}
    torch.save(network, paths["module"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, example).save(paths["script"])
        batch = torch.export.Dim("n", min=1, max=64)
        torch.export.save(torch.export.export(network, example, dynamic_shapes=({0: batch},)), paths["program"])
        torch.export.save(torch.export.export(network, example), paths["fixed"])
    return paths


@pytest.mark.parametrize("kind", ["module", "script", "program"])
def test_refused_unless_trusted(files: dict[str, Path], kind: str):
    with pytest.raises(IngestError, match=r"pass --trust: loading .* can run any code that its author put in"):
        ingest(files[kind], IngestSettings())


@pytest.mark.parametrize("kind", ["module", "script", "program"])
def test_trusted_files_compute_what_the_network_computes(
    files: dict[str, Path], kind: str, network: torch.nn.Module, recwarn: pytest.WarningsRecorder
):
    described = {} if kind == "program" else {"input_shape": (2, 8, 8), "input_dtype": "float32"}
    done = ingest(files[kind], IngestSettings(trust=True, exits=("a", "b"), **described))
    assert [str(value.shape) for value in done.model.graph.outputs] == ["[batch,3]", "[batch,3]"]
    assert str(done.model.graph.inputs[0].shape) == "[batch,2,8,8]"
    assert done.exits == ("a", "b")
    assert done.reference is not None
    assert check_against_torch(done.model, done.reference, IMAGES) < 1e-5
    with torch.no_grad():
        expected = network(torch.from_numpy(IMAGES["x"]))
    np.testing.assert_allclose(done.reference(IMAGES)[1], expected[1].numpy(), rtol=1e-4, atol=1e-5)
    assert [str(warning.message) for warning in recwarn if "export" in str(warning.message)] == []


@pytest.mark.parametrize("kind", ["module", "script"])
def test_the_missing_flags_are_named(files: dict[str, Path], kind: str):
    with pytest.raises(IngestError, match="Pass --input-shape and --input-dtype"):
        ingest(files[kind], IngestSettings(trust=True))
    with pytest.raises(IngestError, match="Pass --input-dtype,"):
        ingest(files[kind], IngestSettings(trust=True, input_shape=(2, 8, 8)))


def test_a_fixed_batch_is_refused(files: dict[str, Path]):
    with pytest.raises(IngestError, match=r"input 'x' has shape \[3, 2, 8, 8\], expected a dynamic batch axis"):
        ingest(files["fixed"], IngestSettings(trust=True))


def test_too_few_names_for_the_exits(files: dict[str, Path]):
    settings = IngestSettings(trust=True, input_shape=(2, 8, 8), input_dtype="uint8", exits=("a",))
    with pytest.raises(IngestError, match="returns 2 tensors, but --exits has 1 names: a"):
        ingest(files["module"], settings)


def test_a_checkpoint_stays_safe_when_trusted(checkpoint_file: Path):
    with pytest.raises(IngestError, match="a checkpoint describes its inputs itself"):
        ingest(checkpoint_file, IngestSettings(trust=True, scale=0.5))


def test_something_else_than_a_module(tmp_path: Path):
    torch.save({"path": Path("x")}, tmp_path / "dict.pt")
    settings = IngestSettings(trust=True, input_shape=(2, 8, 8), input_dtype="uint8")
    with pytest.raises(IngestError, match=r"holds dict, expected a torch\.nn\.Module"):
        ingest(tmp_path / "dict.pt", settings)


def test_a_class_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "gone_soon.py").write_text("import torch\nclass Net(torch.nn.Module):\n    pass\n")
    import gone_soon

    torch.save(gone_soon.Net(), tmp_path / "net.pt")
    (tmp_path / "gone_soon.py").unlink()
    monkeypatch.delitem(sys.modules, "gone_soon")
    with pytest.raises(IngestError, match="needs a class that cannot be imported: No module named 'gone_soon'"):
        ingest(tmp_path / "net.pt", IngestSettings(trust=True, input_shape=(2,), input_dtype="uint8"))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (torch.nn.Flatten(2), r"exit 0 is float32 \[3, 2, 64\] for 3 samples, expected float32 \[3, classes\] or"),
        (torch.nn.Linear(5, 3), r"forward fails on an input of float32 \[3, 2, 8, 8\]"),
        (torch.nn.LSTM(8, 3), "forward fails"),
    ],
)
def test_modules_that_do_not_give_logits(tmp_path: Path, module: torch.nn.Module, words: str):
    torch.save(module, tmp_path / "module.pt")
    with pytest.raises(IngestError, match=words):
        ingest(tmp_path / "module.pt", IngestSettings(trust=True, input_shape=(2, 8, 8), input_dtype="uint8"))
