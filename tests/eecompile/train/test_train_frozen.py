"""Frozen training of real heads on real scans."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eecompile.attach.attached import Attached
from eengines.errors import BuildError, DataError, UserError
from eerun.data import Samples

KINDS = ("fc", "filter", "linear", "conv")


def answers(attached: Attached, samples: Samples) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Classes by head, and the trunk's."""
    with torch.no_grad():
        features, final = attached.features(torch.from_numpy(samples.inputs["x"]).float() / 16)
        heads = attached.candidates(features)
    return {name: logits.argmax(1).numpy() for name, logits in heads.items()}, final.argmax(1).numpy()


def test_heads_learn_the_trunks_answers_and_the_trunk_stays(attach, train, scans, bits, same_bits, stages):
    attached = attach(*KINDS)
    before = bits(attached.trunk)
    x = torch.from_numpy(scans.other.inputs["x"]).float() / 16
    answer = attached.trunk.eval()(x)

    report = train(attached, epochs=8)

    assert same_bits(before, bits(attached.trunk))
    assert torch.equal(attached.trunk(x), answer)
    assert not attached.training
    found, final = answers(attached, scans.other)
    assert [head.name for head in report.heads] == list(found) == [head.name for head in attached.attachment.heads]
    for head in report.heads:
        unseen = float((found[head.name] == final).mean())
        assert abs(head.agreement - unseen) < 0.12, head
        assert head.agreement > (0.8 if "stage_2" in head.name or "fc" in head.name else 0.4), head
        assert len(head.losses) == 8
        assert head.losses[-1] < head.losses[0]
    assert max(head.agreement for head in report.heads) > 0.97
    assert report.accuracy_final > 0.9
    assert (report.samples, report.validation_samples) == (1170, 130)
    assert (report.epochs, report.interrupted, report.device) == (8, False, "CPU, float32")
    assert stages.titles == ["compute features", "train heads"]
    assert stages.shares[-1] == 1
    assert sum("validation agreement" in line for line in stages.details) == 8


def test_labels_as_target_without_labels_is_refused(attach, train, scans):
    with pytest.raises(UserError, match="--target labels: got samples without labels"):
        train(attach("linear"), target="labels", samples=replace(scans.train, labels=None))


def test_labels_are_learned_where_the_trunk_is_wrong(attach, train, scans):
    """Labels that are all shifted by one: heads follow them, not the trunk."""
    shifted = replace(scans.train, labels=(scans.train.labels + 1) % 10)
    report = train(attach("fc", taps=("stage_2",)), target="labels", samples=shifted, epochs=2)
    assert report.heads[0].accuracy > 0.9
    assert report.heads[0].agreement < 0.1
    assert report.accuracy_final < 0.1


def test_without_labels_heads_learn_the_same(attach, train, scans, bits, same_bits):
    one, other = attach("conv"), attach("conv")
    first = train(one)
    second = train(other, samples=replace(scans.train, labels=None))
    assert same_bits(bits(one), bits(other))
    assert first.heads[0].accuracy is not None
    assert second.heads[0].accuracy is second.accuracy_final is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(attach, train, bits, same_bits, precision):
    networks = [attach("fc", "conv", taps=("stage_0", "stage_1")) for _ in range(3)]
    choice = {"precision": precision, "augmentation": "crop-flip", "views": 2}
    before = torch.get_rng_state()
    reports = [train(network, seed=seed, epochs=2, **choice) for network, seed in zip(networks, (3, 3, 4), strict=True)]
    assert torch.equal(torch.get_rng_state(), before)
    assert same_bits(bits(networks[0]), bits(networks[1]))
    assert not same_bits(bits(networks[0]), bits(networks[2]))
    assert reports[0].device == f"CPU, {precision}"
    assert reports[0].heads == reports[1].heads


def test_kept_and_computed_features_give_the_same_weights(attach, train, bits, stages):
    networks = [attach("linear", "conv") for _ in range(3)]
    answer_bytes, stage_2, stage_1 = 1300 * 40, 1300 * 1024, 1300 * 1024
    for network, size in zip(networks, (1 << 30, answer_bytes + stage_2 + stage_1, 0), strict=True):
        train(network, cache_bytes=size)
    told = [line.rpartition(": ")[2] for line in stages.details if "computed every epoch" in line]
    assert told == ["nothing", "stage_0", "stage_0, stage_1, stage_2"]
    kept, *others = map(bits, networks)
    for other in others:
        for name, tensor in kept.items():
            assert torch.allclose(tensor.float(), other[name].float(), rtol=1e-3, atol=1e-4), name


def test_nothing_stays_on_disk(attach, train, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    train(attach("linear"), epochs=1)
    assert not list(tmp_path.iterdir())


class Repeated(nn.Module):
    """A head on a feature that is larger: each value `times` over, multiplied by `factor`."""

    def __init__(self, head: nn.Module, times: int, factor: float) -> None:
        super().__init__()
        self.head, self.times, self.factor = head, times, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.factor * x.flatten(1).repeat(1, self.times))


@pytest.mark.parametrize("kind", ["fc", "filter"])
@pytest.mark.parametrize(("times", "factor"), [(1, 10.0), (16, 1.0)])
def test_large_features_do_not_break_a_head(kind, times, factor, attach, fresh_head, train):
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        wide = Repeated(fresh_head(kind, (times * 256,)), times, factor)
    report = train(attach("wide", taps=("stage_2",), wide=wide), epochs=5)
    assert report.heads[0].agreement > 0.9


class Faulty(nn.Module):
    """Gives no number in the calls in `bad`, counted in training alone."""

    def __init__(self, bad: range) -> None:
        super().__init__()
        self.last, self.bad, self.calls = nn.Linear(256, 10), bad, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.last(x.flatten(1)) * (torch.nan if self.calls in self.bad and self.training else 1.0)


def test_a_head_without_a_finite_loss_is_given_up_and_others_do_not_notice(attach, train, bits, same_bits):
    alone, beside = (
        attach("linear", taps=("stage_1",)),
        attach("linear", "faulty", taps=("stage_1",), faulty=Faulty(range(10**6))),
    )
    beside.heads[0].load_state_dict(alone.heads[0].state_dict())
    before = bits(beside.heads[1])
    first, second = train(alone), train(beside)
    assert same_bits(bits(alone.heads[0]), bits(beside.heads[0]))
    assert first.heads[0] == second.heads[0]
    assert same_bits(before, bits(beside.heads[1]))
    lost = second.heads[1]
    assert lost.best_epoch == 0
    assert np.isnan(lost.losses).all()
    assert lost.problem.startswith("given up: its loss stopped being finite")


def test_a_head_that_stumbles_starts_again(attach, train, stages):
    stumbling = Faulty(range(30, 32))
    report = train(attach("faulty", taps=("stage_2",), faulty=stumbling), epochs=4)
    assert report.heads[0].problem is None
    assert report.heads[0].agreement > 0.9
    assert sum("starts again from its best weights" in line for line in stages.details) == 2


def test_without_any_finite_loss_the_training_fails(attach, train):
    with pytest.raises(BuildError, match="the loss of every head stopped being finite"):
        train(attach("faulty", taps=("stage_2",), faulty=Faulty(range(10**6))), epochs=1)


def test_heads_that_share_weights_are_kept_together(attach, train):
    shared = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    attached = attach("shared", taps=("stage_1", "stage_2"), shared=shared)
    report = train(attached, epochs=8)
    assert attached.heads[0] is attached.heads[1]
    assert report.heads[0].best_epoch == report.heads[1].best_epoch > 0
    assert report.heads[1].agreement > 0.7


def test_no_worse_weights_than_the_given_ones_are_kept(attach, train):
    attached = attach("fc", taps=("stage_2",))
    good = train(attached, epochs=4).heads[0]
    confused = train(attached, epochs=1, learning_rate=1e-9).heads[0]
    assert confused.agreement >= good.agreement


def test_labels_that_the_trunk_does_not_know_are_refused(attach, train, scans):
    labels = scans.train.labels.copy()
    labels[7] = 10
    with pytest.raises(DataError, match=r"run from 0 to 10, expected 0\.\.9"):
        train(attach("linear"), samples=replace(scans.train, labels=labels))
