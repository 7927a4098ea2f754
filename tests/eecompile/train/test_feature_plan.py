"""Which features are kept under a bound."""

from eecompile.train.feature_plan import plan_features

TAPS = {"a": 100, "b": 50, "c": 10}


def test_everything_is_kept_where_it_fits():
    plan = plan_features(5, TAPS, 165)
    assert (plan.answer, plan.taps, plan.streamed) == (True, ("a", "b", "c"), ())
    assert plan.keeps_all


def test_the_answer_comes_first_and_then_the_deepest():
    plan = plan_features(5, TAPS, 164)
    assert (plan.taps, plan.streamed, plan.runs_until) == (("b", "c"), ("a",), "a")
    plan = plan_features(5, TAPS, 15)
    assert (plan.taps, plan.streamed, plan.runs_until) == (("c",), ("a", "b"), "b")


def test_nothing_in_front_of_what_does_not_fit_is_kept():
    plan = plan_features(5, {"a": 1, "b": 50, "c": 10}, 20)
    assert (plan.taps, plan.streamed) == (("c",), ("a", "b"))


def test_without_room_for_the_answer_the_whole_trunk_runs():
    plan = plan_features(5, TAPS, 4)
    assert (plan.answer, plan.taps, plan.runs_until, plan.keeps_all) == (False, (), None, False)
