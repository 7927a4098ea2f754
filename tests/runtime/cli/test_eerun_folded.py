"""`eerun run` and `eerun bench` on a folded bundle count images."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import eerun
from eengines.errors import UserError
from eerun.cli.main import app


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments), "--threads", "2"])


def test_run_answers_images_in_their_order(folded_bundle, tmp_path: Path):
    out = tmp_path / "answers.npz"
    result = command("run", "--bundle", folded_bundle.path, "--batch", 16, "-o", out)
    assert result.exit_code == 0, result.output
    assert f"answers to {len(folded_bundle.x)} samples" in result.stdout
    assert "does not fill" not in result.stdout
    found = np.load(out)
    model = eerun.load(folded_bundle.path, threads=2)
    expected = [model.infer(folded_bundle.x[i : i + 16]) for i in range(0, len(folded_bundle.x), 16)]
    assert np.array_equal(found["labels"], np.concatenate([part.labels for part in expected]))
    assert np.array_equal(found["exit_index"], np.concatenate([part.exit_index for part in expected]))
    assert np.array_equal(found["y"], folded_bundle.y)


def test_run_puts_likely_easy_images_together(folded_bundle, tmp_path: Path):
    out = tmp_path / "answers.npz"
    result = command("run", "--bundle", folded_bundle.path, "--batch", 18, "--grouping", "easy", "-o", out)
    assert result.exit_code == 0, result.output
    assert "! A batch of 18 does not fill its last group of 4" in result.stdout
    model = eerun.load(folded_bundle.path, threads=2, grouping="easy")
    assert np.array_equal(np.load(out)["outputs"][:18], model.infer(folded_bundle.x[:18]).outputs)


def test_bench_races_the_unfolded_bundle(folded_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folded_bundle.path.parent)
    files = ("--json", tmp_path / "b.json", "--csv", tmp_path / "b.csv")
    quick = ("--bundle", "net.ee", "--batch", 8, "--duration", 0, "--warm-up", 0)
    result = command("bench", *quick, "--unfolded", "net-unfolded.ee", *files)
    assert result.exit_code == 0, result.output
    assert "Folding, whole by whole: " in result.stdout
    record = json.loads((tmp_path / "b.json").read_bytes())
    assert record["settings"]["unfolded"] == record["folding"]["unfolded"]["bundle"] == "net-unfolded.ee"
    rows = list(csv.DictReader((tmp_path / "b.csv").open()))
    assert {(row["Model"], row["Fold"], row["Batch Size"]) for row in rows} == {("net", "4", "8"), ("net", "1", "8")}
    result = command("bench", *quick, "--no-unfolded")
    assert "Whether folding pays is not known" in result.stdout


def test_grouping_needs_a_folded_bundle(folded_bundle, tmp_path: Path):
    result = command(
        "run", "--bundle", folded_bundle.unfolded, "--data", folded_bundle.data, "--grouping", "easy",
        "-o", tmp_path / "a.npz",
    )  # fmt: skip
    assert isinstance(result.exception, UserError)
    assert "for folded networks" in str(result.exception)
