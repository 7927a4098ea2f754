"""Interrupted runs: what is in place, and how they go on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eengines.errors import IngestError, UserError


@pytest.fixture
def breaks(stages):
    """Stages that press Ctrl-C when a share of a stage is done: `(title, share)`."""

    def make(title: str, share: float):
        class Breaking(type(stages)):
            def progress(self, done: float) -> None:
                super().progress(done)
                if self.titles[-1] == title and done > share:
                    raise KeyboardInterrupt

        return Breaking()

    return make


@pytest.mark.parametrize("mode", ["frozen", "joint"])
def test_a_resumed_run_has_the_bits_of_one_that_was_never_interrupted(
    mode, attach, train, breaks, bits, same_bits, tmp_path
):
    choice = {"mode": mode, "epochs": 4, "augmentation": "crop-flip"}
    whole, broken, resumed = (attach("conv", "fc", taps=("stage_1", "stage_2")) for _ in range(3))
    expected = train(whole, **choice)
    state = tmp_path / "state"

    first = train(broken, state=state, stages=breaks("train heads", 0.6), **choice)
    assert first.interrupted
    assert first.epochs == 2
    assert not same_bits(bits(broken), bits(whole))
    assert all(1 <= head.best_epoch <= 2 for head in first.heads)

    second = train(resumed, state=state, resume=True, **choice)
    assert not second.interrupted
    assert same_bits(bits(resumed), bits(whole))
    assert second.heads == expected.heads
    again = attach("conv", "fc", taps=("stage_1", "stage_2"))
    assert train(again, state=state, resume=True, **choice).heads == expected.heads
    assert same_bits(bits(again), bits(whole))
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_state_is_only_tensors_and_plain_values(attach, train, tmp_path):
    train(attach("linear", taps=("stage_2",)), epochs=1, state=tmp_path / "state")
    content = torch.load(tmp_path / "state", weights_only=True)
    assert content["format"] == "eecompile.training/1"
    assert content["epoch"] == 1


def test_interrupted_in_the_first_epoch_nothing_has_changed(attach, train, breaks, bits, same_bits, tmp_path):
    attached = attach("conv", taps=("stage_1",))
    before = bits(attached)
    report = train(attached, stages=breaks("train heads", 0.1), state=tmp_path / "state")
    assert (report.interrupted, report.epochs, report.heads[0].best_epoch) == (True, 0, 0)
    assert same_bits(before, bits(attached))
    assert not list(tmp_path.iterdir())


def test_interrupted_while_features_are_computed_it_cleans_up(
    attach, train, breaks, bits, same_bits, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    attached = attach("conv")
    before = bits(attached)
    with pytest.raises(KeyboardInterrupt):
        train(attached, stages=breaks("compute features", 0.5))
    assert same_bits(before, bits(attached))
    assert not list(tmp_path.iterdir())


def test_without_a_state_it_starts_from_the_beginning(attach, train, stages, tmp_path):
    report = train(attach("linear"), epochs=1, state=tmp_path / "state", resume=True)
    assert report.epochs == 1
    assert "no state yet" in stages.warnings[0]


@pytest.fixture
def stored(attach, train, tmp_path) -> Path:
    """The state of one epoch of linear heads."""
    train(attach("linear"), epochs=1, state=tmp_path / "stored")
    return tmp_path / "stored"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 2}, "a run with other epochs: got 1, expected 2"),
        ({"learning_rate": 0.1}, "other learning_rate: got 0.05, expected 0.1"),
        ({"precision": "bfloat16"}, "other device and precision: got CPU, float32, expected CPU, bfloat16"),
    ],
)
def test_a_state_of_other_settings_is_refused(change, message, attach, train, stored):
    with pytest.raises(UserError, match=message):
        train(attach("linear"), state=stored, resume=True, **{"epochs": 1} | change)


def test_a_state_of_other_heads_weights_or_samples_is_refused(attach, train, scans, stored):
    def resume(attached, **given):
        return train(attached, epochs=1, state=stored, resume=True, **given)

    with pytest.raises(UserError, match="other heads"):
        resume(attach("fc"))
    other_trunk = attach("linear")
    with torch.no_grad():
        other_trunk.trunk.last.bias[0] += 1
    with pytest.raises(UserError, match="other trunk weights"):
        resume(other_trunk)
    labels = scans.train.labels.copy()
    labels[0] = (labels[0] + 1) % 10
    with pytest.raises(UserError, match="other samples"):
        resume(attach("linear"), samples=replace(scans.train, labels=labels))


def test_another_bound_of_the_features_is_no_other_run(attach, train, stored):
    assert train(attach("linear"), epochs=1, state=stored, resume=True, cache_bytes=0).epochs == 1


def test_other_files_are_refused(attach, train, tmp_path):
    path = tmp_path / "state"
    path.write_bytes(b"PK but no zip")
    with pytest.raises(IngestError, match="damaged or not a torch file"):
        train(attach("linear"), state=path, resume=True)
    torch.save({"format": "eecompile.checkpoint/1"}, path)
    with pytest.raises(UserError, match=r"has format 'eecompile\.checkpoint/1', expected"):
        train(attach("linear"), state=path, resume=True)
    torch.save({"format": "eecompile.training/1", "epoch": 1}, path)
    with pytest.raises(UserError, match="lacks run, learners, history, scaler, expected the state of a training"):
        train(attach("linear"), state=path, resume=True)
    with pytest.raises(UserError, match="--resume: got no state file"):
        train(attach("linear"), resume=True)
