"""The cheapest head within the tolerance becomes the exit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eecompile.attach.attachment import AttachedHead
from eecompile.attach.choose_heads import choose_heads
from eecompile.heads.base import Tap

TAPS = (Tap(name="a", shape=(4, 8, 8), macs=100), Tap(name="b", shape=(4, 8, 8), macs=500))
TRUNK = 1000


def head(tap: str, kind: str, agreement: float | None, macs: int, parameters: int = 1) -> AttachedHead:
    return AttachedHead(name=f"{tap}-{kind}", tap=tap, kind=kind, macs=macs, parameters=parameters, agreement=agreement)


@pytest.mark.parametrize(
    ("tolerance", "chosen"),
    [(0.0, ("a-fc", "b-fc")), (0.005, ("a-conv", "b-fc")), (0.2, ("a-linear", "b-linear"))],
)
def test_cheapest_within_the_tolerance(tolerance, chosen):
    heads = [head("a", "fc", 0.99, 300), head("a", "conv", 0.985, 30), head("a", "linear", 0.8, 3)]
    heads += [head("b", "fc", 0.99, 200), head("b", "linear", 0.95, 3)]
    assert choose_heads(heads, TAPS, tolerance=tolerance, trunk_macs=TRUNK) == chosen


def test_equal_costs_take_the_fewer_weights():
    heads = [head("a", "fc", 0.9, 10, 50), head("a", "pool", 0.9, 10, 40)]
    assert choose_heads(heads, TAPS, tolerance=0.0, trunk_macs=TRUNK) == ("a-pool",)


def test_a_head_that_saves_nothing_is_no_candidate():
    heads = [head("a", "fc", 0.99, 900), head("a", "linear", 0.5, 899), head("b", "fc", 1.0, 500)]
    assert choose_heads(heads, TAPS, tolerance=0.0, trunk_macs=TRUNK) == ("a-linear",)


def test_untrained_heads_are_not_chosen():
    assert choose_heads([head("a", "fc", None, 1)], TAPS, tolerance=1.0, trunk_macs=TRUNK) == ()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 200), st.integers(0, 1200)), max_size=12),
    st.integers(0, 200),
)
def test_properties(drawn, tolerance):
    heads = [head(tap, f"k{i}", right / 200, macs) for i, (tap, right, macs) in enumerate(drawn)]
    chosen = choose_heads(heads, TAPS, tolerance=tolerance / 200, trunk_macs=TRUNK)
    by_name = {one.name: one for one in heads}
    assert [by_name[name].tap for name in chosen] == sorted({by_name[name].tap for name in chosen})
    for tap in TAPS:
        saving = [one for one in heads if one.tap == tap.name and tap.macs + one.macs < TRUNK]
        picked = [by_name[name] for name in chosen if by_name[name].tap == tap.name]
        assert len(picked) == bool(saving)
        for one in picked:
            best = max(other.agreement for other in saving)
            close = [other for other in saving if round(200 * (best - other.agreement)) <= tolerance]
            assert one in close
            assert one.macs == min(other.macs for other in close)
