"""The loss of an exit, against its formula in numpy."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from eecompile.fold_training.fold_loss import fold_loss

IMAGES, CLASSES = 6, 5


@pytest.fixture
def drawn():
    """Logits, the teacher's, and labels."""
    random = np.random.default_rng(3)
    return 3 * random.normal(size=(IMAGES, CLASSES)), random.normal(size=(IMAGES, CLASSES)), np.arange(IMAGES) % CLASSES


def loss(drawn, settings, *, labels: bool) -> float:
    logits, teacher, classes = map(torch.from_numpy, drawn)
    return float(fold_loss(logits, teacher, classes if labels else None, settings))


def cross_entropy(logits, classes) -> float:
    return float(-log_softmax(logits, 1)[np.arange(IMAGES), classes].mean())


def divergence(teacher, logits) -> float:
    first, second = log_softmax(teacher, 1), log_softmax(logits, 1)
    return float((np.exp(first) * (first - second)).sum(1).mean())


def test_squared_error_of_the_logits(drawn, settings):
    logits, teacher, classes = drawn
    squared = float(((logits - teacher) ** 2).mean())
    assert loss(drawn, settings(), labels=False) == pytest.approx(squared)
    mixed = 0.3 * squared + 0.7 * cross_entropy(logits, classes)
    assert loss(drawn, settings(alpha=0.3), labels=True) == pytest.approx(mixed)


def test_divergence_of_the_softened_answers(drawn, settings):
    logits, teacher, classes = drawn
    chosen = {"distillation": "kl", "temperature": 2.5}
    soft = 2.5**2 * divergence(teacher / 2.5, logits / 2.5)
    assert loss(drawn, settings(**chosen), labels=False) == pytest.approx(soft)
    assert loss(drawn, settings(**chosen, alpha=0.0), labels=True) == pytest.approx(cross_entropy(logits, classes))
    assert loss(drawn, settings(**chosen, alpha=1.0), labels=True) == pytest.approx(soft)
