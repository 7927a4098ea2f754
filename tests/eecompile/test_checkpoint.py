"""Checkpoints come back as they were written, and never run code."""

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from eecompile.checkpoint import FORMAT, Checkpoint, InputInfo, build_module, load_checkpoint, save_checkpoint
from eecompile.zoo import lookup
from eengines.errors import IngestError

KWARGS = {"channels": [2, 3], "classes": 4, "in_channels": 1}


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(
        arch="branchy_cnn",
        arch_kwargs=KWARGS,
        state_dict=lookup("branchy_cnn")(**KWARGS).state_dict(),
        exits=("early", "final"),
        inputs=(InputInfo(name="x", shape=(1, 8, 8), dtype="uint8", layout="NCHW", scale=0.5, range=(0, 16)),),
        task="classification",
        classes=("a", "b", "c", "d"),
        meta={"epochs": 3, "history": (1.0, 0.5)},
    )


@pytest.fixture
def path(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    save_checkpoint(tmp_path / "model.pt", checkpoint)
    return tmp_path / "model.pt"


def rewritten(path: Path, **changes: Any) -> Path:
    """Change keys of a saved checkpoint behind the library's back; None removes a key."""
    content = torch.load(path, weights_only=True)
    content.update(changes)
    torch.save({key: value for key, value in content.items() if value is not ...}, path)
    return path


def test_round_trip(path: Path, checkpoint: Checkpoint):
    loaded = load_checkpoint(path)
    for field in ("arch", "arch_kwargs", "exits", "inputs", "task", "classes", "fold"):
        assert getattr(loaded, field) == getattr(checkpoint, field), field
    assert loaded.meta == {"epochs": 3, "history": [1.0, 0.5]}
    assert all(torch.equal(loaded.state_dict[name], tensor) for name, tensor in checkpoint.state_dict.items())
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_the_file_is_the_documented_dictionary(path: Path):
    content = torch.load(path, weights_only=True)
    assert content["format"] == FORMAT == "eecompile.checkpoint/1"
    assert content["input"]["shape"] == [1, 8, 8]
    assert content["input"]["mean"] is None


def test_several_inputs(path: Path, checkpoint: Checkpoint):
    inputs = tuple(InputInfo(name=name, shape=(16,), dtype="int64") for name in ("ids", "mask"))
    save_checkpoint(path, replace(checkpoint, inputs=inputs))
    assert load_checkpoint(path).inputs == inputs


def test_a_single_input_needs_no_name_and_statistics_may_be_one_number(path: Path):
    rewritten(path, input={"shape": [3, 8, 8], "dtype": "uint8", "layout": "NCHW", "mean": 0.5, "std": [1, 2, 4]})
    (info,) = load_checkpoint(path).inputs
    assert (info.name, info.mean, info.std) == ("x", (0.5,), (1.0, 2.0, 4.0))


def test_fold_and_meta_are_optional(path: Path):
    loaded = load_checkpoint(rewritten(path, fold=..., meta=...))
    assert (loaded.fold, dict(loaded.meta)) == (1, {})


def test_a_failed_write_leaves_the_old_file(path: Path, checkpoint: Checkpoint):
    before = path.read_bytes()
    with pytest.raises(IngestError, match=r"could run code"):
        save_checkpoint(path, replace(checkpoint, meta={"path": Path("x")}))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def test_build_from_the_zoo(path: Path):
    loaded = load_checkpoint(path)
    module = build_module(loaded, None)
    assert not module.training
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in loaded.state_dict.items())


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current directory that makes networks."""
    (tmp_path / "networks_for_checkpoints.py").write_text(
        "from eecompile.zoo import lookup\n"
        "def make(channels, classes, in_channels):\n"
        "    return lookup('branchy_cnn')(channels=channels, classes=classes, in_channels=in_channels)\n"
        "def wide(channels, classes, in_channels):\n"
        "    return make([2 * width for width in channels], classes, in_channels)\n"
        "def deep(channels, classes, in_channels):\n"
        "    return make([*channels, 5], classes, in_channels)\n"
        "def nothing(**kwargs):\n"
        "    return None\n"
        "def other(width):\n"
        "    return None\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "networks_for_checkpoints", raising=False)
    return "networks_for_checkpoints"


def test_build_with_a_factory_from_the_current_directory(path: Path, factory: str):
    loaded = load_checkpoint(rewritten(path, arch=None))
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        expected = build_module(load_checkpoint(rewritten(path, arch="branchy_cnn")), None)(images)
        got = build_module(loaded, f"{factory}:make")(images)
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("wide", r"weight 'stages\.0\.0\.0\.weight' has shape \[2, 1, 3, 3\], expected \[4, 1, 3, 3\]"),
        ("deep", r"missing stages\.2.* and \d+ more; unexpected none"),
        ("nothing", "made NoneType, expected a torch.nn.Module"),
        ("other", "does not take channels="),
        ("missing", "has no 'missing'"),
    ],
)
def test_factories_that_do_not_fit(path: Path, factory: str, function: str, words: str):
    with pytest.raises(IngestError, match=words):
        build_module(load_checkpoint(path), f"{factory}:{function}")


def test_without_architecture_the_flag_is_named(path: Path):
    with pytest.raises(IngestError, match="Pass --factory"):
        build_module(load_checkpoint(rewritten(path, arch=None)), None)


def test_arguments_that_the_architecture_does_not_take(path: Path):
    with pytest.raises(IngestError, match="arch 'branchy_cnn': does not take width=3"):
        build_module(load_checkpoint(rewritten(path, arch_kwargs={"width": 3})), None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"format": "eecompile.checkpoint/2"},
            "has format 'eecompile.checkpoint/2', expected 'eecompile.checkpoint/1'",
        ),
        ({"format": ...}, "not a checkpoint of this project: got arch, arch_kwargs"),
        ({"exits": ..., "task": ...}, "lacks the keys exits, task"),
        ({"extra": 1}, "unknown keys extra"),
        ({"arch": 3}, "'arch' is int, expected a name or null"),
        ({"arch_kwargs": []}, "'arch_kwargs' is list, expected a dict"),
        ({"state_dict": {"a": 1}}, "'state_dict' is dict, expected a dict of tensors"),
        ({"exits": []}, r"are \[\]"),
        ({"exits": ["a", "a"]}, r"are \['a', 'a'\]"),
        ({"exits": ["a/b"]}, r"are \['a/b'\]"),
        ({"classes": "abc"}, "'classes' is str"),
        ({"task": "detection"}, "is 'detection', expected 'classification' or 'segmentation'"),
        ({"fold": 0}, "is 0, expected 1 or more"),
        ({"input": 3}, "expected a dict or a list"),
        ({"input": []}, "expected a dict or a list"),
        ({"input": [{"shape": [1], "dtype": "uint8"}, {"shape": [1], "dtype": "uint8"}]}, "has name None"),
        ({"input": {"shape": [1, 8, 8]}}, "dtype None"),
        ({"input": {"shape": "1,8,8", "dtype": "uint8"}}, "has shape '1,8,8', expected a list of integers"),
        ({"input": {"shape": [1], "dtype": "uint8", "size": 3}}, "unknown field 'size'"),
        ({"input": {"shape": [1], "dtype": "uint8", "scale": "big"}}, "scale: is 'big', expected 1 number or null"),
        ({"input": {"shape": [1], "dtype": "uint8", "range": [1]}}, r"range: is \[1\], expected 2 numbers"),
    ],
)
def test_refusals(path: Path, changes: dict[str, Any], words: str):
    with pytest.raises(IngestError, match=words):
        load_checkpoint(rewritten(path, **changes))


def test_a_plain_state_dict_is_refused(tmp_path: Path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    with pytest.raises(IngestError, match="not a checkpoint of this project: got weight"):
        load_checkpoint(tmp_path / "weights.pt")


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(IngestError, match="no such file"):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("content", [b"", b"not a torch file at all", b"\x80\x02junk", b"PK\x03\x04 cut"])
def test_other_files_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(IngestError, match=r"other\.pt"):
        load_checkpoint(tmp_path / "other.pt")


def test_every_truncation_is_refused(path: Path):
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 25):
        path.write_bytes(whole[:size])
        with pytest.raises(IngestError, match=r"model\.pt"):
            load_checkpoint(path)


class WritesAFile:
    """What a hostile file would hold: unpickling it calls a function."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_code_in_a_checkpoint_never_runs(path: Path, tmp_path: Path):
    rewritten(path, meta={"bad": WritesAFile(tmp_path / "touched")})
    with pytest.raises(IngestError, match=r"could run code.*--trust"):
        load_checkpoint(path)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(WritesAFile(tmp_path / "touched"), protocol=2))
    with pytest.raises(IngestError, match=r"plain\.pt"):
        load_checkpoint(tmp_path / "plain.pt")
    assert not (tmp_path / "touched").exists()


def test_a_pickled_module_names_the_flag(tmp_path: Path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "module.pt")
    with pytest.raises(IngestError, match=r"holds Python objects .a pickled module.*--trust"):
        load_checkpoint(tmp_path / "module.pt")
