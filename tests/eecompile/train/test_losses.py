"""Losses against their formulas, written out in numpy."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from eecompile.train.losses import distillation, early_to_last, exit_weights, label_loss


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def divergence(first: np.ndarray, second: np.ndarray) -> float:
    p, q = softmax(first), softmax(second)
    return float((p * np.log(p / q)).sum(1).mean())


@pytest.fixture
def logits():
    random = np.random.default_rng(0)
    return random.standard_normal((5, 7)) * 3, random.standard_normal((5, 7)) * 3


def test_distillation_is_gatis_formula_with_the_sum_over_classes(logits):
    z, t = logits
    found = distillation(torch.tensor(z), torch.tensor(t), alpha=0.3, temperature=6.0).item()
    hard = -np.log(softmax(z)[np.arange(5), t.argmax(1)]).mean()
    assert found == pytest.approx(0.3 * 36 * divergence(t / 6, z / 6) + 0.7 * hard, rel=1e-6)
    mean_over_elements = functional.kl_div(
        torch.tensor(z / 6).log_softmax(1), torch.tensor(t / 6).softmax(1), reduction="none"
    ).mean()
    assert divergence(t / 6, z / 6) == pytest.approx(7 * mean_over_elements.item(), rel=1e-6)


def test_distillation_does_not_change_with_log_softmax_in_front(logits):
    z, t = map(torch.tensor, logits)
    plain = distillation(z, t, alpha=0.5, temperature=6.0)
    assert distillation(z.log_softmax(1), t, alpha=0.5, temperature=6.0).item() == pytest.approx(plain.item())


def test_a_dense_loss_is_the_mean_over_pixels():
    random = torch.Generator().manual_seed(0)
    z, t = (torch.randn(2, 3, 4, 5, generator=random) for _ in range(2))
    flat = [tensor.permute(0, 2, 3, 1).reshape(-1, 3) for tensor in (z, t)]
    dense = distillation(z, t, alpha=0.5, temperature=2.0).item()
    assert dense == pytest.approx(distillation(*flat, alpha=0.5, temperature=2.0).item(), rel=1e-5)
    assert early_to_last(z, t, temperature=3.0).item() == pytest.approx(
        early_to_last(*flat, temperature=3.0).item(), rel=1e-5
    )


def test_early_exits_are_drawn_to_the_last_one(logits):
    z, last = logits
    found = early_to_last(torch.tensor(z), torch.tensor(last), temperature=3.0).item()
    assert found == pytest.approx(9 * divergence(z / 3, last / 3), rel=1e-6)
    assert found != pytest.approx(9 * divergence(last / 3, z / 3), rel=1e-2)


def test_pixels_that_do_not_count_are_left_out():
    z = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[[0, 255], [2, 255]]])
    expected = functional.cross_entropy(torch.stack([z[0, :, 0, 0], z[0, :, 1, 0]]), torch.tensor([0, 2]))
    assert label_loss(z, labels, ignored=255).item() == pytest.approx(expected.item())
    assert label_loss(z, torch.full((1, 2, 2), 255), ignored=255).item() == 0


def test_weights_of_exits():
    taps = ("a", "b", "c")
    assert exit_weights("eenet", taps) == pytest.approx((1 / 20, 2 / 20, 3 / 20, 4 / 20))
    assert exit_weights("equal", taps) == (1, 1, 1, 1)
    assert exit_weights("pame", taps) == (1 / 4,) * 4


def test_candidates_of_a_tap_share_its_weight():
    assert exit_weights("equal", ("a", "a", "b")) == (0.5, 0.5, 1, 1)
    assert sum(exit_weights("eenet", ("a", "a", "a", "b"))) == pytest.approx(0.5)
