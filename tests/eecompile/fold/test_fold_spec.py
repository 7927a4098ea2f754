"""Widths of a folded network: a multiple of 8 that is never too small, or what is published."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eecompile.fold import WIDTHS, FoldSpec
from eengines.errors import IngestError

NONE: dict[int, int] = {}


@pytest.mark.parametrize(
    ("old", "expected"),
    [(32, (45, 55, 64)), (8, (11, 13, 16)), (16, (22, 27, 32)), (64, (90, 110, 128))],
)
def test_exact_widths_are_the_published_ones(old, expected):
    assert tuple(FoldSpec(factor, "exact").width(old, NONE) for factor in (2, 3, 4)) == expected


@pytest.mark.parametrize(
    ("factor", "expected"), [(2, (16, 48, 96)), (3, (16, 56, 112)), (4, (16, 64, 128)), (8, (24, 96, 184))]
)
def test_rounded_widths(factor, expected):
    assert tuple(FoldSpec(factor).width(old, NONE) for old in (8, 32, 64)) == expected


@given(old=st.integers(1, 10_000), factor=st.integers(2, 64))
def test_widths_are_next_to_the_root_without_rounding_errors(old, factor):
    square = Fraction(old * old * factor)
    exact, rounded = (FoldSpec(factor, widths).width(old, NONE) for widths in ("exact", "multiple-of-8"))
    assert exact**2 <= square < (exact + 1) ** 2
    assert rounded % 8 == 0
    assert max(rounded - 8, 0) ** 2 < square <= rounded**2


@given(old=st.integers(1, 500), root=st.integers(2, 8))
def test_a_square_factor_multiplies_exactly(old, root):
    assert FoldSpec(root * root, "exact").width(old, NONE) == root * old


@given(old=st.integers(1, 500), factor=st.integers(2, 16), groups=st.integers(1, 40), widths=st.sampled_from(WIDTHS))
def test_a_width_that_groups_share_is_a_multiple_of_their_number(old, factor, groups, widths):
    spec = FoldSpec(factor, widths)
    width = spec.width(old, {old: groups})
    assert width % groups == 0
    assert width >= spec.width(old, NONE)
    assert spec.width(old + 1, {old: groups}) == spec.width(old + 1, NONE)


@pytest.mark.parametrize("factor", [1, 0, -2, 65, 2.0, True, None])
def test_other_factors_are_refused(factor):
    with pytest.raises(IngestError, match=r"--fold: is .*, expected 2 to 64 images a row"):
        FoldSpec(factor)


def test_other_rules_are_refused():
    with pytest.raises(IngestError, match=r"--fold-widths: is 'wide', expected multiple-of-8 or exact"):
        FoldSpec(2, "wide")
