"""The figures of data sheets fit the table of targets, and each other."""

import pytest

from eengines import peaks
from eengines.peaks import PEAKS, Peak
from eengines.targets import TARGETS


@pytest.mark.parametrize("name", PEAKS)
def test_a_card_is_a_target_with_a_source_and_does_no_more_than_it_can(name):
    peak, target = PEAKS[name], TARGETS[name]
    assert f"\n    {name} " in str(peaks.__doc__)
    assert set(peak.tera_ops) <= set(target.precisions)
    assert {"float32", "float16"} <= set(peak.tera_ops)
    assert all(value > 0 for value in peak.tera_ops.values())
    assert 300 <= peak.gigabytes < 10_000


@pytest.mark.parametrize("name", PEAKS)
def test_narrower_is_faster(name):
    speed = PEAKS[name].tera_ops
    assert speed["float32"] < speed["float16"] == speed.get("bfloat16", speed["float16"])
    assert speed.get("int8", 2 * speed["float16"]) >= 1.9 * speed["float16"]


@pytest.mark.parametrize(("name", "ridge"), [("p100", 29), ("v100", 139), ("t4", 203), ("a100", 153), ("h200", 206)])
def test_ridge_points(name, ridge):
    assert PEAKS[name].ridge("float16") == pytest.approx(ridge, abs=0.6)


def test_a_precision_that_is_not_known_has_no_ridge():
    with pytest.raises(KeyError):
        Peak(tera_ops={"float32": 1.0}, gigabytes=1.0).ridge("int8")
