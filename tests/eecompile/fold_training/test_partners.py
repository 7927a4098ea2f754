"""Who shares a row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eecompile.fold_training.partners import draw_rows


@given(images=st.integers(2, 60), factor=st.integers(2, 8), seed=st.integers(0, 5), epoch=st.integers(0, 50))
def test_every_image_is_in_an_epoch_once(images, factor, seed, epoch):
    known = np.arange(100, 100 + images)
    rows = draw_rows(known, factor, seed, "partners", epoch)
    assert rows.shape == (images // factor, factor)
    assert len(set(rows.flat)) == rows.size
    assert set(rows.flat) <= set(known)
    assert len(known) - rows.size < factor


def test_partners_places_and_those_left_over_are_others_in_every_epoch():
    known = np.arange(41)
    epochs = [draw_rows(known, 4, 0, "partners", epoch) for epoch in range(60)]
    partners = {other for rows in epochs for row in rows if 7 in row for other in row}
    places = {int(np.flatnonzero(row == 7)[0]) for rows in epochs for row in rows if 7 in row}
    left_over = {image for rows in epochs for image in set(known) - set(rows.flat)}
    assert len(partners) > 30
    assert places == {0, 1, 2, 3}
    assert len(left_over) > 20
    assert np.array_equal(epochs[3], draw_rows(known, 4, 0, "partners", 3))
    assert not np.array_equal(epochs[3], draw_rows(known, 4, 1, "partners", 3))
