"""In which order configurations are listed after a refresh."""

from eecompile.refresh.new_order import new_order

NAMES = ("slow", "fast", "unknown")
EXPECTED = {"slow": 2.0, "fast": 1.0}


def test_the_fastest_comes_first_and_unknown_times_last():
    assert new_order(NAMES, EXPECTED, first=None) == ("fast", "slow", "unknown")


def test_what_its_user_wanted_stays_in_front():
    assert new_order(NAMES, EXPECTED, first="slow") == ("slow", "fast", "unknown")


def test_a_first_one_of_unknown_time_stays_in_front():
    assert new_order(NAMES[::-1], EXPECTED, first=None) == ("unknown", "fast", "slow")


def test_a_first_one_that_is_gone_holds_nobody_up():
    assert new_order(NAMES[1:], EXPECTED, first="slow") == ("fast", "unknown")
