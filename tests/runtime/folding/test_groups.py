"""Images to rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eerun.folding import rows_of, to_rows


@given(images=st.integers(1, 20), fold=st.sampled_from([1, 2, 3, 4, 8]))
def test_rows_hold_the_images_in_order_and_the_last_is_filled_up(images: int, fold: int) -> None:
    given_images = np.arange(images * 6, dtype=np.float32).reshape(images, 2, 3)
    rows = to_rows(given_images, fold)
    assert rows.shape == (rows_of(images, fold), fold, 2, 3)
    flat = rows.reshape(-1, 2, 3)
    assert (flat[:images] == given_images).all()
    assert (flat[images:] == given_images[-1]).all()


def test_full_rows_are_a_view() -> None:
    images = np.zeros((8, 3))
    assert np.shares_memory(to_rows(images, 4), images)
