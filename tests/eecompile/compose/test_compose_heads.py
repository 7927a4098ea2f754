"""`eecompile compose`: record, measure, choose, write."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from silent_stages import SilentStages
from typer.testing import CliRunner

from eecompile.checkpoint import Checkpoint, build_module, load_checkpoint, save_checkpoint
from eecompile.cli.main import app
from eecompile.compose import ComposeSettings, compose_heads
from eecompile.compose.head_graphs import layers_of
from eecompile.compose.measure_heads import HeadTimes, measure_heads
from eecompile.compose.record_heads import record_heads
from eecompile.compose.subject import Subject, load_subject
from eecompile.network_values import network_values
from eengines.errors import DataError, EngineError, UserError
from eerun.costs import CostTable
from eerun.measure_costs import measure_costs

TAPS, KINDS = ("blocks.0", "blocks.1", "blocks.2"), ("linear", "pool")
BUCKETS = (1, 2, 4, 8)
ENGINE = {"engine": "onnxruntime", "batch": 8, "threads": 2, "measure_seconds": 0.0}


@pytest.fixture(scope="module")
def settings(trained) -> ComposeSettings:
    return ComposeSettings(factory=trained.factory, **ENGINE)


@pytest.fixture(scope="module")
def subject(trained, settings) -> Subject:
    return load_subject(trained.model, settings)


@pytest.fixture(scope="module")
def measured(subject, settings) -> HeadTimes:
    return measure_heads(subject, settings, SilentStages())


def made_up(linear: float, pool: float) -> Callable[..., HeadTimes]:
    """Measures nothing: segments of 1 ms a sample, heads that take a share of that."""
    rows = [tuple(share * bucket for bucket in BUCKETS) for share in (linear, pool)] * len(TAPS)
    segment = tuple(map(float, BUCKETS))
    trunk = CostTable(
        engine="made up",
        precision="float32",
        device="none",
        buckets=BUCKETS,
        segment_ms=(segment,) * (len(TAPS) + 1),
        whole_ms=tuple(3.9 * ms for ms in segment),
        move_ms=(0.0,) * len(TAPS),
    )
    return lambda *_: HeadTimes(trunk=trunk, head_ms=tuple(rows))


@pytest.fixture
def timed(monkeypatch) -> Callable[[float, float], None]:
    """Let heads take what the test says: which head is worth its time must not hang on the machine."""
    return lambda linear, pool: monkeypatch.setattr("eecompile.compose.compose.measure_heads", made_up(linear, pool))


def test_all_heads_are_recorded_from_one_pass(subject):
    few = subject.splits["tune"].take(np.arange(300))
    seen: list[float] = []
    logits = record_heads(subject.module, subject.checkpoint.inputs, few, seen.append)
    names = [head.name for head in subject.attachment.heads]
    assert names == [f"{tap}-{kind}" for tap in TAPS for kind in KINDS]
    assert logits.shape == (300, len(names) + 1, 10)
    assert seen[-1] == 1.0
    for index, name in enumerate(names):
        one = replace(subject.attachment, chosen=(name,))
        module = build_module(replace(subject.checkpoint, attached=one, exits=one.exits), "tapped_networks:DigitNet")
        with torch.no_grad():
            early, final = module(torch.from_numpy(network_values(subject.checkpoint.inputs[0], few.inputs["x"])))
        assert np.allclose(logits[:, index], early.numpy(), atol=1e-5)
        assert np.allclose(logits[:, -1], final.numpy(), atol=1e-5)


def test_every_head_and_segment_is_measured(measured):
    trunk = measured.trunk
    assert trunk.buckets == BUCKETS
    assert trunk.segments == len(TAPS) + 1
    assert not trunk.head_ms
    assert len(measured.head_ms) == len(TAPS) * len(KINDS)
    assert all(len(row) == len(BUCKETS) for row in measured.head_ms)
    assert all(0 <= ms < 1000 for row in measured.head_ms for ms in row)
    assert all(ms > 0 for row in trunk.segment_ms for ms in row)
    for bucket, whole in enumerate(trunk.whole_ms):
        assert whole <= sum(row[bucket] for row in trunk.segment_ms)


def test_a_start_takes_no_longer_than_what_is_started(subject, settings, monkeypatch):
    """The graph that does nothing is measured in a moment in which something else has the cores."""

    def disturbed(*arguments):
        *tables, idle = measure_costs(*arguments)
        return (*tables, replace(idle, segment_ms=((1000.0,) * len(BUCKETS),)))

    monkeypatch.setattr("eecompile.compose.measure_heads.measure_costs", disturbed)
    found = measure_heads(subject, settings, SilentStages())
    for bucket, whole in enumerate(found.trunk.whole_ms):
        assert whole >= min(row[bucket] for row in found.trunk.segment_ms) > 0
        assert all(row[bucket] >= 0 for row in found.head_ms)
        assert any(row[bucket] > 0 for row in found.head_ms)


def test_layers_have_one_head_of_a_tap(subject):
    assert layers_of(subject.attachment) == ((0, 2, 4), (1, 3, 5))
    few = replace(subject.attachment, heads=subject.attachment.heads[1:4])
    assert layers_of(few) == ((0, 1), (2,))


def test_cheap_heads_become_exits_and_dear_ones_stay_candidates(trained, settings, timed, tmp_path):
    timed(0.001, 0.9)
    output = tmp_path / "composed.pt"
    before = load_checkpoint(trained.model)
    report = compose_heads(trained.model, replace(settings, output=output, max_drop=0.03), SilentStages())
    after = load_checkpoint(output)
    assert report.pays
    assert report.output == str(output)
    assert after.exits == (*report.chosen.heads, "final")
    assert all(name.endswith("-linear") for name in report.chosen.heads)
    assert {head.name for head in report.heads if head.chosen} == set(report.chosen.heads)
    assert after.attached.heads == before.attached.heads
    assert all(torch.equal(weight, before.state_dict[name]) for name, weight in after.state_dict.items())
    assert report.chosen.tune_ms < report.whole_ms
    assert report.chosen.tune_drop <= 0.03
    others = {each.name: each for each in report.others}
    assert set(others) == {"as it was", "linear at every tap", "pool at every tap"}
    assert others["pool at every tap"].tune_ms > report.chosen.tune_ms
    assert sum(head.share for head in report.heads if head.chosen) <= 1
    assert all(head.share is None and head.threshold is None for head in report.heads if not head.chosen)


def test_nothing_is_written_where_no_exit_pays(trained, settings, timed, tmp_path):
    timed(5.0, 9.0)
    output = tmp_path / "composed.pt"
    report = compose_heads(trained.model, replace(settings, output=output), SilentStages())
    assert not report.pays
    assert report.output is None
    assert not output.exists()
    assert report.chosen.tune_ms == pytest.approx(report.whole_ms)
    assert report.chosen.tune_drop == 0


def test_limits_are_kept_and_named(trained, settings, timed):
    timed(0.001, 0.002)
    free = compose_heads(trained.model, replace(settings, max_drop=0.03), SilentStages())
    assert len(free.chosen.heads) > 1
    one = compose_heads(trained.model, replace(settings, max_drop=0.03, max_exits=1), SilentStages())
    assert len(one.chosen.heads) == 1
    assert [each.flag for each in one.limited_by] == ["--max-exits"]
    assert not any(each.keeps_limits for each in one.others if len(each.heads) > 1)
    small = replace(settings, max_drop=0.03, max_memory_bytes=free.chosen.memory_bytes - 1)
    assert compose_heads(trained.model, small, SilentStages()).chosen.memory_bytes < free.chosen.memory_bytes


def test_without_labels_the_final_exit_is_right(trained, settings, timed, tmp_path):
    timed(0.001, 0.002)
    arrays = dict(np.load(trained.model.with_suffix(".npz")))
    del arrays["y_train"], arrays["y_test"]
    np.savez(tmp_path / "bare.npz", **arrays)
    bare = replace(settings, data=str(tmp_path / "bare.npz"))
    report = compose_heads(trained.model, bare, SilentStages())
    asked = compose_heads(trained.model, replace(settings, agreement=True), SilentStages())
    assert report.measure == asked.measure == "agreement"
    assert report.chosen == asked.chosen
    assert all(head.accuracy is None for head in report.heads)


def test_the_command_as_typed(trained, tmp_path):
    output, json_file = tmp_path / "composed.pt", tmp_path / "composed.json"
    words = ["compose", str(trained.model), "--factory", trained.factory, "-o", str(output), "--json", str(json_file)]
    words += ["--engine", "onnxruntime", "--batch", "8", "--threads", "2", "--measure-seconds", "0", "--prune"]
    words += ["--max-drop", "3%", "--max-memory", "1MiB", "--min-precision", "90%", "--policy", "gati"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = json.loads(json_file.read_text())
    chosen, lines = report["chosen"]["heads"], done.stdout.splitlines()
    rows = [line.split() for line in lines if line.startswith("blocks.")]
    assert [(row[0], row[1]) for row in rows] == [(tap, kind) for tap in TAPS for kind in KINDS]
    assert [row[-1] == "→" for row in rows] == [f"{row[0]}-{row[1]}" in chosen for row in rows]
    if chosen:  # whether exits pay here is for the clock to say
        assert lines[-1] == f"PASSED | {output} | {', '.join(chosen)}"
        after = load_checkpoint(output)
        assert [head.name for head in after.attached.heads] == chosen
        assert after.exits == (*chosen, "final")
    else:
        assert lines[-1] == f"PASSED | {trained.model} | no exit pays here: nothing written"
        assert not output.exists()
    assert report["limits"]["max_memory_bytes"] == 2**20


def test_what_cannot_be_composed_is_refused(trained, settings, tmp_path):
    with pytest.raises(UserError, match="--max-memory: got -1, expected at least 0"):
        ComposeSettings(max_memory_bytes=-1)
    with pytest.raises(UserError, match="--policy: got 'patience', expected one of margin"):
        ComposeSettings(policy="patience")
    with pytest.raises(UserError, match="--precision: got 'int8'"):
        ComposeSettings(precision="int8")
    with pytest.raises(UserError, match=r"--max-tail: got -0\.1"):
        ComposeSettings(max_tail=-0.1)
    with pytest.raises(EngineError, match="this machine has no bfloat16"):
        compose_heads(trained.model, replace(settings, precision="bfloat16"), SilentStages())
    plain = load_checkpoint(trained.model.with_name("backbone.pt"))
    save_checkpoint(tmp_path / "plain.pt", plain)
    with pytest.raises(UserError, match="has no attached heads"):
        compose_heads(tmp_path / "plain.pt", settings, SilentStages())
    whole: Checkpoint = load_checkpoint(trained.model)
    save_checkpoint(tmp_path / "lonely.pt", whole)
    with pytest.raises(DataError, match="no data to choose heads by"):
        compose_heads(tmp_path / "lonely.pt", settings, SilentStages())
    few = {name: array[:60] for name, array in np.load(trained.model.with_suffix(".npz")).items()}
    np.savez(tmp_path / "few.npz", **few)
    with pytest.raises(DataError, match="got 24 samples to choose heads by"):
        compose_heads(trained.model, replace(settings, data=str(tmp_path / "few.npz")), SilentStages())
