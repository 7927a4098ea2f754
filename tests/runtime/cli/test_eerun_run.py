"""`eerun run`: answers in the order of the data, written in one step."""

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import eerun
from eengines.errors import DataError, EEError, UserError
from eerun.cli.main import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["run", "--threads", "2", *map(str, arguments)])


def test_unsplit_data_are_answered_whole_and_in_order(tiny_bundle, tmp_path: Path):
    result = run("--bundle", tiny_bundle.path, "--data", tiny_bundle.data, "-o", tmp_path / "a.npz", "--batch", 7)
    assert result.exit_code == 0, result.output
    answers = np.load(tmp_path / "a.npz")
    expected = eerun.load(tiny_bundle.path, threads=2).infer(tiny_bundle.x)
    kinds = {name: (answers[name].dtype.name, answers[name].shape) for name in answers.files}
    assert kinds == {
        "labels": ("int64", (400,)),
        "exit_index": ("int32", (400,)),
        "confidence": ("float32", (400,)),
        "outputs": ("float32", (400, 4)),
        "y": ("int64", (400,)),
    }
    np.testing.assert_array_equal(answers["labels"], expected.labels)
    np.testing.assert_array_equal(answers["exit_index"], expected.exit_index)
    np.testing.assert_array_equal(answers["y"], tiny_bundle.y)
    np.testing.assert_allclose(answers["outputs"], expected.outputs, rtol=1e-5, atol=1e-5)
    accuracy = (expected.labels == tiny_bundle.y).mean() * 100
    assert f"accuracy {accuracy:.2f} %" in result.output
    assert "answers to 400 samples, split 'all'" in result.output
    assert " samples/s" in result.output
    left = [int(line.split()[-1]) for line in result.output.splitlines() if line.startswith("left at ")]
    assert left == np.bincount(expected.exit_index, minlength=2).tolist()


def test_the_only_bundle_of_the_folder_and_the_data_beside_it(
    tiny_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tiny_bundle.path.parent)
    result = run("--output", tmp_path / "a.npz", "--no-exits", "--split", "test")
    assert result.exit_code == 0, result.output
    answers = np.load(tmp_path / "a.npz")
    assert len(answers["labels"]) == 144
    assert set(answers["exit_index"].tolist()) == {1}


def test_split_data_are_answered_as_they_are_named(tiny_bundle, tmp_path: Path):
    x = tiny_bundle.x
    np.savez(tmp_path / "d.npz", x_train=x[:50], x_test=x[50:90])
    common = ("--bundle", tiny_bundle.path, "--data", tmp_path / "d.npz", "-o", tmp_path / "a.npz")
    sizes = {}
    for split in (None, "test", "train", "tune"):
        result = run(*common, *(("--split", split) if split else ()))
        assert result.exit_code == 0, result.output
        assert "accuracy" not in result.output
        answers = np.load(tmp_path / "a.npz")
        assert "y" not in answers.files
        sizes[split] = len(answers["labels"])
    assert (sizes[None], sizes["test"], sizes["train"]) == (40, 40, 50)
    assert 0 < sizes["tune"] < 40


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("--split", "valid"), UserError, "--split: got 'valid', known are all, train"),
        (("--split", "train"), DataError, "has no split 'train'"),
        (("--batch", "0"), UserError, "--batch: got 0, expected at least 1"),
        (("--engine", "abacus"), UserError, "--engine"),
        (("--threads", "0"), UserError, "threads"),
        (("--data", "nowhere.npz"), DataError, "no such file or folder"),
    ],
)
def test_errors_say_what_is_wrong(tiny_bundle, tmp_path: Path, arguments: tuple[str, ...], kind: type, words: str):
    output = tmp_path / "a.npz"
    result = run("--bundle", tiny_bundle.path, "--data", tiny_bundle.data, "-o", output, *arguments)
    assert isinstance(result.exception, kind)
    assert words in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "words"), [("", "is a folder"), ("no/a.npz", "does not exist")])
def test_an_output_that_cannot_be_written_is_refused_first(tiny_bundle, tmp_path: Path, name: str, words: str):
    result = run("--bundle", tiny_bundle.path, "-o", tmp_path / name)
    assert isinstance(result.exception, EEError)
    assert words in str(result.exception)


def test_a_failed_write_leaves_the_old_file(tiny_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.npz").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = run("--bundle", tiny_bundle.path, "-o", tmp_path / "a.npz")
    assert isinstance(result.exception, UserError)
    assert "No space left on device" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == b"old"
