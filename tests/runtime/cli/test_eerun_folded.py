"""`eerun run` and `eerun bench` on a folded bundle count images."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import eerun
from eengines.errors import UserError
from eerun.bundle import Certificate, amend_bundle, graphs_of, open_bundle, policy_digest
from eerun.circumstances import engine_version
from eerun.cli.main import app
from eerun.measure_costs import device_name


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


def test_images_are_answered_and_groups_leave(folded_bundle, tmp_path: Path):
    out, x = tmp_path / "answers.npz", folded_bundle.x
    result = command("run", "--bundle", folded_bundle.path, "--batch", 16, "-o", out)
    model = eerun.load(folded_bundle.path, threads=2)
    steps = [step for i in range(0, len(x), 16) for part in model.infer(x[i : i + 16]).steps for step in part]
    left = [sum(step.left for step in steps if step.segment == k) for k in range(2)]
    answered = np.bincount(np.load(out)["exit_index"], minlength=2)
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("answered at ")]
    assert [(int(line[-4]), int(line[-1])) for line in lines] == [*zip(answered.tolist(), left, strict=True)]
    assert sum(left) == len(x) // 4
    assert answered[0] > 4 * left[0], "some images are answered before their group leaves"
    assert "left at" not in result.stdout


def test_a_last_batch_that_does_not_fill_its_group(folded_bundle, tmp_path: Path):
    np.savez(tmp_path / "d.npz", x=folded_bundle.x[:37])
    given = ("run", "--bundle", folded_bundle.path, "--data", tmp_path / "d.npz", "-o", tmp_path / "a.npz")
    for batch, found in ((12, ["1"]), (6, ["6", "1"]), (37, ["37"]), (100, ["37"])):
        result = command(*given, "--batch", batch)
        assert result.exit_code == 0, result.output
        said = [line.split()[4] for line in result.stdout.splitlines() if "does not fill" in line]
        assert said == found, batch


def test_a_certificate_is_for_full_groups(folded_bundle, tmp_path: Path):
    place = Path(shutil.copytree(folded_bundle.path, tmp_path / "net.ee"))
    bundle = open_bundle(place)
    policy = bundle.policy(bundle.manifest.chosen)
    promise = Certificate(
        risk="disagreement",
        limit=0.01,
        confidence=0.9,
        method="betting",
        samples=180,
        groups=45,
        bound=0.009,
        disagreement=0.01,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(bundle.manifest, bundle.manifest.chosen),
        policy_sha256=policy_digest(policy),
        engine="onnxruntime",
        engine_version=engine_version("onnxruntime"),
        precision="float32",
        processor=device_name(),
    )
    certified = {"policy/policy.json": replace(policy, certificate=promise)}
    amend_bundle(place, lambda manifest: manifest.configurations, certified)
    np.savez(tmp_path / "d.npz", x=folded_bundle.x[:37])

    def said(batch: int) -> str:
        words = ("certified", "! the certificate")
        given = ("run", "--bundle", place, "--data", tmp_path / "d.npz", "-o", tmp_path / "a.npz", "--batch", batch)
        (line,) = (line for line in command(*given).stdout.splitlines() if line.startswith(words))
        return line

    whole = "certified: disagreement at most 1.00 %, confidence 90.0 %, n = 180 in 45 groups"
    assert said(12) == f"{whole}; not for images whose group is filled up by copies, 1 here"
    assert said(6) == f"{whole}; not for images whose group is filled up by copies, 13 here"
    assert said(1) == (
        "! the certificate does not hold here: full groups were certified, here copies fill up every group"
    )
    np.savez(tmp_path / "d.npz", x=folded_bundle.x[:36])
    assert said(12) == whole


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


def test_bench_as_it_is_typed_after_a_build(folded_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both bundles lie in the current folder; neither is named."""
    monkeypatch.chdir(folded_bundle.path.parent)
    result = command("bench", "--duration", 0, "--warm-up", 0, "--json", tmp_path / "b.json")
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "b.json").read_bytes())
    assert record["subject"]["bundle"] == "net.ee"
    assert record["folding"]["unfolded"]["bundle"] == "net-unfolded.ee"
    result = command("run", "-o", tmp_path / "a.npz")
    assert result.exit_code == 0, result.output


def test_grouping_needs_a_folded_bundle(folded_bundle, tmp_path: Path):
    result = command(
        "run", "--bundle", folded_bundle.unfolded, "--data", folded_bundle.data, "--grouping", "easy",
        "-o", tmp_path / "a.npz",
    )  # fmt: skip
    assert isinstance(result.exception, UserError)
    assert "for folded networks" in str(result.exception)
