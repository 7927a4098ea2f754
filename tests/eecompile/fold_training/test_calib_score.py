"""Accuracy and agreement on calib, counted by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from eecompile.fold import FoldedNetwork
from eecompile.fold_training.calib_score import CalibScore
from eecompile.train.sample_reader import SampleReader

CALIB = 121
"""Odd: the last row is filled up."""


class Answers(nn.Module):
    """Answers an image by its first pixel's grey value modulo 10 at the first exit, and 0 at the second."""

    def forward(self, x):
        classes = (x[:, :, 0, 0] * 16).round().long() % 10
        return tuple(torch.eye(10)[given].flatten(1) for given in (classes, torch.zeros_like(classes)))


@pytest.fixture
def score(teacher, data, settings):
    samples = data.calib.take(np.arange(CALIB) % len(data.calib))
    samples.inputs["x"][:, 0, 0, 0] = np.arange(CALIB) % 10
    reader = SampleReader(teacher.checkpoint.inputs, samples, (10,), settings().for_loop(1), torch.device("cpu"))
    return CalibScore(teacher, reader, 2, 0, 32), samples


def test_every_image_counts_with_its_own_answer(score, teacher):
    measured, samples = score
    images = torch.from_numpy(samples.inputs["x"]).float() / 16
    unfolded = [logits.argmax(1).numpy() for logits in teacher.network(images)]
    answers = [np.arange(CALIB) % 10, np.zeros(CALIB, int)]
    found = measured.of(FoldedNetwork(Answers(), 2))
    for name, answer, before in zip(("early", "final"), answers, unfolded, strict=True):
        assert found[name].accuracy == pytest.approx(np.mean(answer == samples.labels))
        assert found[name].agreement == pytest.approx(np.mean(answer == before))
        of_teacher = measured.of_teacher()[name]
        assert of_teacher.accuracy == pytest.approx(np.mean(before == samples.labels))
        assert of_teacher.agreement == 1


def test_answers_that_are_not_finite_are_wrong(score):
    class Nothing(Answers):
        def forward(self, x):
            return tuple(logits * torch.nan for logits in super().forward(x))

    found = score[0].of(FoldedNetwork(Nothing(), 2))
    assert {(one.accuracy, one.agreement) for one in found.values()} == {(0.0, 0.0)}
