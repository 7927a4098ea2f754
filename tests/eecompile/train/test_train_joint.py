"""Trunk and heads together."""

from dataclasses import replace

import pytest
import torch

from eecompile.train import joint_task
from eengines.errors import UserError


@pytest.mark.parametrize(("weights", "target"), [("eenet", "trunk"), ("equal", "labels"), ("pame", "trunk")])
def test_everything_learns(weights, target, attach, train, bits, stages):
    attached = attach("fc", "linear", taps=("stage_1", "stage_2"))
    before = bits(attached.trunk)
    report = train(attached, mode="joint", loss_weights=weights, target=target, epochs=8)
    after = bits(attached.trunk)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == list(before)
    assert stages.titles == ["train heads"]
    assert report.features_seconds == 0
    assert report.accuracy_final > 0.9
    assert min(head.accuracy for head in report.heads) > 0.7
    assert max(head.agreement for head in report.heads) > 0.95
    assert len({head.best_epoch for head in report.heads}) == 1


def test_it_repeats_by_seed_and_leaves_torchs_numbers_alone(attach, train, bits, same_bits):
    networks = [attach("conv", taps=("stage_1",)) for _ in range(2)]
    before = torch.get_rng_state()
    for network in networks:
        train(network, mode="joint", epochs=2, augmentation="crop-flip")
    assert torch.equal(torch.get_rng_state(), before)
    assert same_bits(*map(bits, networks))


def test_eenet_draws_early_exits_to_the_last_in_the_last_quarter(attach, train, monkeypatch):
    seen = []
    monkeypatch.setattr(joint_task, "early_to_last", lambda z, last, **_: seen.append(1) or (z - last).mean())
    train(attach("linear", taps=("stage_1",)), mode="joint", epochs=4)
    assert len(seen) == -(-1170 // 64)
    seen.clear()
    train(attach("linear", taps=("stage_1",)), mode="joint", epochs=4, loss_weights="pame")
    assert not seen


def test_labels_are_needed(attach, train, scans):
    with pytest.raises(UserError, match="--mode joint: got samples without labels, expected labels"):
        train(attach("linear"), mode="joint", samples=replace(scans.train, labels=None))
