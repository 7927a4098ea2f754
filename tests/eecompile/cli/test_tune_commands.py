"""`eecompile trace` and `eecompile tune`, as they are typed."""

import json

import pytest
from tunable_bundles import SIZES, steady_measure_costs
from typer.testing import CliRunner

from eecompile.cli.main import app
from eengines.errors import DataError, UserError


@pytest.fixture
def typed(tunable, tmp_path, monkeypatch):
    """Type a command beside a copy of the bundle; what it prints."""
    copy = tunable.copy(tmp_path / "copy")
    monkeypatch.setattr("eecompile.tune.variant.measure_costs", steady_measure_costs)
    monkeypatch.chdir(copy.path.parent)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--threads", "2"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return " ".join(done.stdout.split())

    run.bundle = copy
    return run


def test_trace_then_tune(typed):
    shown = typed("trace", "net.ee")
    assert f"tune: {SIZES['tune']} samples, 3 exits, labels" in shown
    assert "PASSED | net.trace | onnxruntime-int8" in shown
    before = typed.bundle.content()
    arguments = ("--trace", "net.trace", "--policy", "margin,patience", "--max-drop", "2%", "--json", "tried.json")
    shown = typed("tune", "net.ee", *arguments, "--dry-run")
    assert "PASSED | nothing written (--dry-run)" in shown
    record = json.loads((typed.bundle.path.parent / "tried.json").read_text())
    assert {each["name"] for each in record["policies"]} == {"margin", "patience"}
    (typed.bundle.path.parent / "tried.json").unlink()
    assert typed.bundle.content() == before
    shown = typed("tune", "net.ee", *arguments)
    assert "=== net.ee, onnxruntime-int8: at most 2.00% less than the final exit in float32 ===" in shown
    assert f"Samples: {SIZES['tune']} tune, {SIZES['certify']} certify, {SIZES['test']} test" in shown
    assert f"Chosen: {record['chosen']}; onnxruntime-int8 comes first" in shown
    first, second = record["runs"]["thresholds"]
    assert f"Leave when score >= {first:.4f} at early, {second:.4f} at middle" in shown
    assert f"{record['chosen']}, 3 exits →" in shown
    assert "PASSED | net.ee" in shown
    written = typed.bundle.bundle
    assert written.policy(written.manifest.chosen).policy == record["chosen"]


def test_tune_shows_promises_dropped_exits_and_what_is_too_slow(typed):
    shown = typed(
        "tune", "net.ee", "--policy", "max-probability,patience", "--max-drop", "3%", "--select-exits",
        "--certify", "8%", "--confidence", "90%", "--certify-method", "betting", "--measure-seconds", "0",
    )  # fmt: skip
    assert "max-probability, 2 exits →" in shown
    assert "each policy with its best exits; report/tune.json has all" in shown
    assert "Promise: accuracy drop of at most 8.00% with 90% confidence, from 500 samples (" in shown
    assert " on test)" in shown
    shown = typed("tune", "net.ee", "--policy", "margin,patience", "--budget-ms", "1.7", "--dry-run")
    assert "at most 1.7 ms a batch ===" in shown


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("tune", "net.ee", "--policy", "magic"), UserError, "--policy: got 'magic'"),
        (("tune", "net.ee", "--max-drop", "lots"), UserError, "--max-drop: got 'lots'"),
        (("tune", "net.ee", "--budget-ms", "1", "--budget-macs", "1"), UserError, "got both"),
        (("tune", "net.ee", "--certify", "1%", "--certify-method", "magic"), UserError, "magic"),
        (("tune", "net.ee", "--trace", "missing"), DataError, "missing: it is no trace"),
        (("tune", "net.ee", "--data", "missing.npz"), DataError, "missing.npz"),
        (("trace", "net.ee", "--engine", "magic"), UserError, "--engine: got 'magic'"),
        (("trace", "net.ee", "-o", "net.ee"), UserError, "net.ee: it exists and is not empty"),
    ],
)
def test_mistakes_leave_the_bundle(typed, arguments, error, message):
    before = typed.bundle.content()
    with pytest.raises(error, match=message):
        typed(*arguments)
    assert typed.bundle.content() == before
