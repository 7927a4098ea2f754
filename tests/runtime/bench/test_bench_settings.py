"""What cannot be measured is refused before anything runs."""

from pathlib import Path

import pytest

from eengines.errors import UserError
from eerun.bench import BenchSettings, Scenario


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"batch": 0}, "--batch"),
        ({"batch": 8, "scenario": Scenario.SINGLESTREAM}, "--batch"),
        ({"duration_s": -1.0}, "--duration"),
        ({"duration_s": float("nan")}, "--duration"),
        ({"warm_up_ms": float("inf")}, "--warm-up"),
        ({"seed": -1}, "--seed"),
        ({"model": Path("model.pt")}, "--model"),
        ({"factory": "a:b"}, "--factory"),
    ],
)
def test_bad_settings_name_their_flag(changes: dict[str, object], flag: str):
    with pytest.raises(UserError) as caught:
        BenchSettings(**changes)
    assert caught.value.where == flag


def test_the_batch_follows_the_scenario():
    assert BenchSettings().batch_size == 32
    assert BenchSettings(batch=7).batch_size == 7
    assert BenchSettings(scenario=Scenario.SINGLESTREAM).batch_size == 1
    assert BenchSettings(scenario=Scenario.SINGLESTREAM, batch=1).batch_size == 1
