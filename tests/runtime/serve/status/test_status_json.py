"""`/status.json`: counters that equal what was sent, finite numbers, and rates from two looks."""

import json
from math import isfinite

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_http import post
from served_on_a_thread import served_on_thread

from eengines.errors import EEError
from eerun.scheduler.statistics import LATENCY_BOUNDS_US
from eerun.serve.settings import ServeSettings
from eerun.serve.status import between, percentile_ms, status

CALLS, SIZE = 7, 5


@pytest.fixture(scope="module")
def served(tiny_bundle):
    settings = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),), port=0, grpc_port=None, engine="onnxruntime", threads=2, reload_s=0
    )
    with served_on_thread(settings) as found:
        yield found


@pytest.fixture(scope="module")
def looks(served, tiny_bundle):
    """The figures before and after a few calls, of which one is forced and two are refused, and the answers."""
    model = served.repository.get("tiny").model
    before = status(served.repository)
    results = [model.submit(tiny_bundle.x[SIZE * n : SIZE * (n + 1)]).result() for n in range(CALLS)]
    results.append(model.submit(tiny_bundle.x[100:140], max_exit=0).result())
    assert post(served, b"{}").status == 400
    assert post(served, b"[").status == 400
    return before, status(served.repository), results


def numbers(content):
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [number for each in content for number in numbers(each)]
    return [content] if isinstance(content, int | float) else []


def test_counters_equal_what_was_sent(looks):
    before, after, results = looks
    ((old,), (new,)) = before["models"], after["models"]
    left = np.bincount(np.concatenate([result.exit_index for result in results]), minlength=2)
    assert [exit_["samples"] for exit_ in new["exits"]] == left.tolist()
    assert [exit_["share"] for exit_ in new["exits"]] == pytest.approx(left / left.sum())
    assert [sum(exit_["confidence"]) for exit_ in new["exits"]] == left.tolist()
    assert new["requests"] - old["requests"] == CALLS + 1 == sum(new["latency"]["counts"])
    assert new["samples"] == left.sum() == CALLS * SIZE + 40
    assert new["forced"] > 0
    assert sum(new["refused"].values()) - sum(old["refused"].values()) == 2
    assert new["failures"] == {}
    assert (new["queued_samples"], new["inside_rows"]) == (0, 0)
    first = new["segments"][0]
    assert first["rows"] >= first["alive_rows"] == left.sum()
    assert sum(first["batch"]) == first["runs"]
    assert sum(rows * runs for rows, runs in enumerate(first["batch"])) == first["rows"]


def test_what_is_served_is_named(looks, served):
    (model,) = looks[1]["models"]
    loaded = served.repository.get("tiny")
    assert (model["name"], model["version"], model["engine"]) == ("tiny", "1", "onnxruntime")
    assert [exit_["name"] for exit_ in model["exits"]] == ["early", "final"]
    assert [exit_["threshold"] for exit_ in model["exits"]] == [*loaded.model.thresholds, None]
    assert (model["healthy"], model["reloads"], model["last_reload_error"]) == (True, 0, None)
    assert (model["certificate"], model["shadow"]) == (None, None)


def test_everything_is_json_with_finite_numbers(looks):
    text = msgspec.json.encode(looks[1])
    assert json.loads(text) == looks[1]
    assert all(isfinite(number) for number in numbers(looks[1]))


def test_rates_between_two_looks(looks):
    before, after, _ = looks
    ((old,), (new,)) = before["models"], after["models"]
    seconds = new["uptime_s"] - old["uptime_s"]
    rates = between(old, new)
    assert rates.seconds == pytest.approx(seconds)
    assert rates.requests_per_s == pytest.approx((CALLS + 1) / seconds)
    assert rates.samples_per_s == pytest.approx((CALLS * SIZE + 40) / seconds)
    assert rates.failures_per_s == pytest.approx(2 / seconds)
    assert sum(rates.shares) == pytest.approx(1)
    assert rates.mean_batch[0] == pytest.approx(new["segments"][0]["mean_batch"])
    assert 0 < rates.p50_ms <= rates.p90_ms <= rates.p99_ms


def test_nothing_happened_between_two_equal_looks(looks):
    (model,) = looks[1]["models"]
    rates = between(model, {**model, "uptime_s": model["uptime_s"] + 2})
    assert (rates.seconds, rates.samples_per_s, rates.failures_per_s) == (pytest.approx(2), 0, 0)
    assert (rates.p50_ms, set(rates.shares), set(rates.mean_ms)) == (None, {0.0}, {0.0})


@pytest.mark.parametrize("other", [{"version": "9"}, {"loaded_at_utc": "2000-01-01T00:00:00+00:00"}, {"requests": 99}])
def test_another_version_or_process_begins_anew(looks, other):
    (model,) = looks[1]["models"]
    assert between({**model, **other}, model) == between(None, model)


def test_a_model_that_is_closed_is_an_error_or_has_its_last_figures(tiny_bundle):
    """The page of a server that is ending."""
    settings = ServeSettings(
        bundles=(("tiny", tiny_bundle.path),), port=0, grpc_port=None, engine="onnxruntime", threads=2, reload_s=0
    )
    with served_on_thread(settings) as found:
        found.repository.get("tiny").model.submit(tiny_bundle.x[:3]).result()
        found.repository.close()
        try:
            (model,) = status(found.repository)["models"]
        except EEError as error:
            pytest.fail(f"{error}")
        assert model["samples"] == 3
        assert status(found.repository)["draining"]


@given(st.lists(st.floats(50, 9e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(durations_us, share):
    index = np.searchsorted(LATENCY_BOUNDS_US, durations_us)
    counts = np.bincount(index, minlength=len(LATENCY_BOUNDS_US) + 1).tolist()
    true = np.quantile(durations_us, share, method="inverted_cdf")
    found = percentile_ms(counts, share) * 1000
    bucket = int(np.searchsorted(LATENCY_BOUNDS_US, true))
    edges = (0, *LATENCY_BOUNDS_US, LATENCY_BOUNDS_US[-1])
    assert edges[bucket] - 1e-6 <= found <= edges[bucket + 1] + 1e-6


def test_no_percentile_of_nothing():
    assert percentile_ms([0] * (len(LATENCY_BOUNDS_US) + 1), 0.5) is None
