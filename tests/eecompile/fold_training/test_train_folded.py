"""A folded network learns, its best epoch is kept, and an interrupted run goes on with the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eecompile.fold_training.fold_data import FoldData
from eengines.errors import DataError, UserError
from eerun.data import Samples


def same_bits(one, other) -> bool:
    first, second = one.network.state_dict(), other.network.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def unlabelled(data: FoldData) -> FoldData:
    train, calib = (Samples(inputs=part.inputs, labels=None) for part in (data.train, data.calib))
    return replace(data, train=train, calib=calib)


def test_it_learns(train, teacher, stages, tmp_path):
    before = {name: weight.clone() for name, weight in teacher.network.state_dict().items()}
    numbers = torch.random.get_rng_state()
    trained = train(epochs=14, batch=32)
    assert torch.equal(torch.random.get_rng_state(), numbers)
    assert all(torch.equal(before[name], weight) for name, weight in teacher.network.state_dict().items())
    assert [one.name for one in trained.exits] == ["early", "final"]
    final = trained.exits[-1]
    assert final.accuracy_unfolded > 0.85
    assert final.accuracy > 0.8
    assert final.losses[-1] < 0.5 * final.losses[0]
    assert (trained.epochs, trained.epochs_planned, trained.interrupted) == (14, 14, False)
    assert not trained.network.training
    rows = torch.rand(3, 2, 1, 8, 8)
    assert [tuple(logits.shape) for logits in trained.network(rows)] == [(3, 2, 10), (3, 2, 10)]
    assert len(stages.notes) == 14
    assert "epoch 14/14: loss" in stages.notes[-1]
    assert "accuracy" in stages.notes[-1]
    assert "early" in stages.details[-1]


@pytest.mark.parametrize(("separate", "best", "most"), [(0.0, 2, 0.9), (0.5, 4, 0.4), (1.0, 2, 0.9)])
def test_the_best_epoch_on_calib_is_kept_of_those_that_do_not_keep_images_apart(
    train, monkeypatch, separate, best, most
):
    shares = iter([0.1, 0.3, 0.9, 0.2, 0.4])
    kept = {}

    class Measured:
        def __init__(self, teacher, *_arguments):
            self.names = teacher.exits

        def of_teacher(self):
            return self._scores(1.0)

        def of(self, network):
            share = next(shares)
            kept[share] = {name: weight.clone() for name, weight in network.state_dict().items()}
            return self._scores(share)

        def _scores(self, share):
            from eecompile.train.score import Score

            return dict.fromkeys(self.names, Score(agreement=0.0, accuracy=share))

    monkeypatch.setattr("eecompile.fold_training.train_folded.CalibScore", Measured)
    trained = train(epochs=4, separate=separate)
    assert trained.best_epoch == best
    assert [one.accuracy for one in trained.exits] == [most, most]
    assert all(torch.equal(kept[most][name], weight) for name, weight in trained.network.state_dict().items())


@pytest.mark.parametrize("augmentation", ["none", "crop-flip"])
def test_a_resumed_run_has_the_bits_of_one_that_was_never_interrupted(train, breaks, tmp_path, augmentation):
    choice = {"epochs": 8, "batch": 16, "augmentation": augmentation, "separate": 0.75}
    whole = train(state=tmp_path / "whole", **choice)
    first = train(stages=breaks(0.55), **choice)
    assert first.interrupted
    assert first.epochs == 4
    assert not same_bits(first, whole)
    second = train(resume=True, **choice)
    assert not second.interrupted
    assert same_bits(second, whole)
    assert second.exits == whole.exits


def test_a_state_of_other_settings_or_samples_is_refused(train, data):
    train(epochs=1)
    with pytest.raises(UserError, match=r"other alpha: got 0\.5, expected 0\.2"):
        train(epochs=1, alpha=0.2, resume=True)
    with pytest.raises(UserError, match="other training samples"):
        train(epochs=1, data=replace(data, train=data.train.take(np.arange(100))), resume=True)
    assert train(epochs=1, cache_bytes=0, resume=True).epochs == 1


def test_kept_logits_are_those_of_every_step(train, tmp_path, stages):
    kept = train(epochs=1, state=tmp_path / "one")
    again = train(epochs=1, state=tmp_path / "other", cache_bytes=0)
    assert stages.titles.count("compute the teacher's logits") == 1
    assert kept.exits[-1].losses == pytest.approx(again.exits[-1].losses, rel=1e-5)


@pytest.mark.parametrize(("separate", "apart"), [(1.0, True), (0.75, False), (0.0, False)])
def test_only_where_all_epochs_keep_images_apart_answers_do_not_depend_on_partners(train, separate, apart):
    trained = train(epochs=2, separate=separate)
    images, others = torch.rand(2, 8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, other = (
            torch.stack(trained.network(torch.stack([images, partners], 1)))[:, :, 0] for partners in (images, others)
        )
    assert trained.apart == apart
    assert torch.equal(one, other) == apart


@pytest.mark.parametrize(
    ("epochs", "separate", "apart"),
    [(1, 0.75, 0), (2, 0.75, 1), (3, 0.75, 2), (20, 0.75, 15), (4, 1.0, 4), (20, 0.99, 19), (5, 0.0, 0)],
)
def test_the_last_epoch_is_free_unless_none_is(settings, epochs, separate, apart):
    assert settings(separate=separate).epochs_apart(epochs) == apart


@pytest.mark.parametrize(("factor", "images"), [(2, 32), (16, 32), (32, 64)])
def test_a_step_has_two_rows_at_least(settings, factor, images):
    assert settings(factor=factor, batch=None).images == images


def test_a_network_that_cannot_keep_images_apart_starts_from_random_weights_and_says_so(train, stages, monkeypatch):
    monkeypatch.setattr("eecompile.fold_training.separate_images.SeparateImages._is_sound", lambda *_: False)
    warned = train(epochs=2, separate=0.75)
    assert "cannot be kept apart" in stages.warnings[0]
    assert same_bits(warned, train(epochs=2, separate=0.0))


def test_without_labels_it_learns_from_the_teacher_alone(train, data):
    trained = train(epochs=10, batch=32, data=unlabelled(data))
    final = trained.exits[-1]
    assert (final.accuracy, final.accuracy_unfolded) == (None, None)
    assert final.agreement > 0.6


def test_the_curriculum_needs_labels_and_shows_classes_one_after_the_other(train, data):
    trained = train(epochs=9, curriculum=True, curriculum_epochs=1, distillation="kl", loss_weights="eenet")
    assert trained.epochs == 9
    with pytest.raises(UserError, match="--curriculum: got samples without labels"):
        train(epochs=9, curriculum=True, data=unlabelled(data))


def test_labels_of_other_classes_are_refused(train, data):
    labels = data.train.labels.copy()
    labels[3] = 10
    with pytest.raises(DataError, match=r"labels run from 0 to 10, expected 0\.\.9"):
        train(data=replace(data, train=replace(data.train, labels=labels)))


def test_a_loss_that_is_not_finite_does_not_stay(train, data):
    images = data.train.inputs["x"]
    assert images.dtype == np.uint8
    trained = train(epochs=2, learning_rate=50.0)
    assert all(weight.isfinite().all() for weight in trained.network.parameters())
