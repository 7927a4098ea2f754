"""`eerun run --shadow`: what was watched is said at the end."""

from pathlib import Path

from typer.testing import CliRunner, Result

from eengines.errors import UserError
from eerun.cli.main import app


def run(bundle, output: Path, *arguments: object) -> Result:
    given = ["--threads", "2", "--engine", "onnxruntime", "--bundle", bundle.path, "-o", output / "a.npz", *arguments]
    return CliRunner().invoke(app, ["run", *map(str, given)])


def test_what_was_watched(tiny_bundle, tmp_path):
    limits = ("--shadow-limit", "90%", "--shadow-confidence", "95%")
    result = run(tiny_bundle, tmp_path, "--data", tiny_bundle.data, "--shadow", "20%", *limits)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith("shadow: "))
    assert 40 <= int(line.split()[1]) <= 120
    assert line.endswith("allowed 90.00 %")
    assert "!" not in result.output


def test_an_alarm(tiny_bundle, tmp_path):
    limits = ("--shadow-limit", "0.1%", "--shadow-confidence", "90%")
    result = run(tiny_bundle, tmp_path, "--data", tiny_bundle.data, "--shadow", "1", *limits, "--batch", 8)
    assert "! shadow: 1 alarms: answers differed too often; now exits are off" in result.output


def test_without_it_nothing_is_said(tiny_bundle, tmp_path):
    assert "shadow" not in run(tiny_bundle, tmp_path).output


def test_a_share_that_is_none(tiny_bundle, tmp_path):
    result = run(tiny_bundle, tmp_path, "--shadow", "often")
    assert isinstance(result.exception, UserError)
    assert "--shadow: got 'often', expected a share" in str(result.exception)
