"""Classes are added until all are there."""

import numpy as np
import pytest

from eecompile.fold_training.curriculum import Curriculum
from eengines.errors import UserError

LABELS = np.arange(200) % 50


def test_it_starts_and_grows_by_a_tenth():
    curriculum = Curriculum(LABELS, 50, 4, epochs=100, every=3)
    counts = [curriculum.classes_in(epoch) for epoch in range(100)]
    assert counts[:7] == [5, 5, 5, 10, 10, 10, 15]
    assert counts[26:28] == [45, 50]
    assert set(counts[27:]) == {50}
    assert set(LABELS[curriculum.images_in(3)]) == set(range(10))
    assert len(curriculum.images_in(99)) == len(LABELS)


def test_few_classes_start_with_as_many_as_a_row_has_images():
    curriculum = Curriculum(LABELS % 10, 10, 4, epochs=24, every=None)
    assert curriculum.every == 2
    counts = [curriculum.classes_in(epoch) for epoch in range(24)]
    assert counts[:4] == [4, 4, 5, 5]
    assert set(counts[12:]) == {10}


def test_as_many_classes_as_images_a_row_are_there_at_once():
    curriculum = Curriculum(LABELS % 4, 4, 4, epochs=1, every=None)
    assert curriculum.classes_in(0) == 4


def test_too_few_images_for_two_rows_are_filled_up():
    curriculum = Curriculum(np.repeat([9, 8], 10), 10, 4, epochs=20, every=None)
    assert len(curriculum.images_in(0)) == 20


@pytest.mark.parametrize(("epochs", "every"), [(18, 3), (5, None)])
def test_a_training_that_ends_before_is_refused(epochs, every):
    with pytest.raises(UserError, match=r"all 10 classes are there after .* epochs, but there are"):
        Curriculum(LABELS % 10, 10, 4, epochs=epochs, every=every)
