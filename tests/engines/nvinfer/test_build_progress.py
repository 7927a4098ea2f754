"""Nested phases become one share that never falls."""

from hypothesis import given
from hypothesis import strategies as st

from eengines.nvinfer.build_progress import ALMOST, BuildProgress


def recorded():
    shares = []

    def report(share):
        shares.append(share)
        return True

    return BuildProgress(report), shares


def test_a_phase_fills_the_step_of_its_parent():
    progress, shares = recorded()
    progress.next_attempt()
    progress.start("build", None, 2)
    progress.start("inner", "build", 4)
    for step in range(4):
        assert progress.step("inner", step)
    progress.finish("inner")
    progress.step("build", 0)
    progress.step("build", 1)
    progress.finish("build")
    assert [round(share / ALMOST, 3) for share in shares] == [0.125, 0.25, 0.375, 0.5, 0.5, 1.0]


def test_a_second_attempt_has_what_is_left():
    progress, shares = recorded()
    for _ in range(2):
        progress.next_attempt()
        progress.start("build", None, 2)
        progress.step("build", 0)
    assert [round(share / ALMOST, 3) for share in shares] == [0.5, 0.75]


def test_the_answer_of_the_report_is_passed_on():
    progress = BuildProgress(lambda _: False)
    progress.start("build", None, 2)
    assert not progress.step("build", 0)


events = st.one_of(
    st.tuples(
        st.just("start"), st.sampled_from("abcd"), st.sampled_from(["a", "b", "c", None, "?"]), st.integers(0, 4)
    ),
    st.tuples(st.just("step"), st.sampled_from("abcde"), st.integers(0, 9)),
    st.tuples(st.just("finish"), st.sampled_from("abcde")),
    st.tuples(st.just("next_attempt")),
)


@given(st.lists(events, max_size=40))
def test_whatever_a_version_reports_shares_rise_below_1(sequence):
    progress, shares = recorded()
    for name, *arguments in sequence:
        getattr(progress, name)(*arguments)
    assert shares == sorted(shares)
    assert all(0 <= share <= ALMOST < 1 for share in shares)
