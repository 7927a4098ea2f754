"""Known shares of certain pixels, and what is refused."""

import numpy as np
import pytest

from eengines.errors import UserError
from eerun.policies import PixelCountPolicy

POLICY = PixelCountPolicy(level=(0.8, 0.6))


def map_of(largest: list[list[float]]) -> np.ndarray:
    """Logits `[1, 2, height, width]` with these largest probabilities, of one class or the other in turn."""
    sure = np.array(largest)
    swap = np.indices(sure.shape).sum(axis=0) % 2 == 1
    first = np.where(swap, 1 - sure, sure)
    return np.log(np.stack([first, 1 - first])[None]).astype(np.float32)


def test_the_score_is_the_share_of_pixels_above_the_level() -> None:
    logits = map_of([[0.9, 0.7, 0.81], [0.55, 0.99, 0.79]])
    for exit_index, certain in ((0, 3), (1, 5)):
        score, state = POLICY.score(logits, None, exit_index=exit_index)
        assert score.dtype == np.float32
        assert score == pytest.approx([certain / 6])
        assert state == ()


def test_how_unsure_a_pixel_is_does_not_matter() -> None:
    a, b = map_of([[0.9, 0.75], [0.9, 0.9]]), map_of([[0.9, 0.5], [0.9, 0.9]])
    assert POLICY.score(a, None, exit_index=0)[0] == POLICY.score(b, None, exit_index=0)[0] == np.float32(0.75)


def test_the_scale_of_a_head_matters_only_through_its_probabilities() -> None:
    logits = map_of([[0.9, 0.7]])
    moved = logits + np.float32(50)
    assert POLICY.score(logits, None, exit_index=0)[0] == POLICY.score(moved, None, exit_index=0)[0]


def test_a_pixel_at_the_level_does_not_count() -> None:
    ties = np.zeros((1, 2, 3, 3), np.float32)
    assert PixelCountPolicy(level=(0.5,)).score(ties, None, exit_index=0)[0] == 0
    assert PixelCountPolicy(level=(0.49,)).score(ties, None, exit_index=0)[0] == 1


def test_the_final_exit_reports_the_mean_of_the_largest_probabilities() -> None:
    score, _ = POLICY.score(map_of([[0.9, 0.7]]), None, exit_index=2)
    assert score == pytest.approx([0.8], abs=1e-6)


def test_rows_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"got logits float32 \[4, 3\], expected float32 \[batch, classes, height, width"
    ):
        POLICY.score(np.zeros((4, 3), np.float32), None, exit_index=0)


def test_levels_are_probabilities() -> None:
    with pytest.raises(UserError, match=r"got levels \[7.0\], expected probabilities"):
        PixelCountPolicy(level=(7.0,))
