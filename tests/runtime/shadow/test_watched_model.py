"""A watched model: the same answers, an alarm when they differ too often, and thresholds that go down the ladder."""

import logging
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

import eerun
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError, UserError
from eerun.bundle import Certificate, Fallback, PolicyFile, amend_bundle, graphs_of, open_bundle, policy_digest
from eerun.circumstances import engine_version
from eerun.measure_costs import device_name

LOAD = {"engine": "onnxruntime", "threads": 2}
FALLBACKS = (
    Fallback(thresholds=(0.5,), bound=0.01, disagreement=0.005),
    Fallback(thresholds=(0.9,), bound=0.01, disagreement=0.004),
)
"""At thresholds 0, 0.5 and 0.9 the answers to 7 %, 3 % and none of the samples differ from the final exit's."""


def certificate(manifest, policy, **changes) -> Certificate:
    given = {
        "risk": "accuracy drop",
        "limit": 0.01,
        "confidence": 0.9,
        "method": "betting",
        "samples": 1000,
        "bound": 0.009,
        "disagreement": 0.01,
        "split_sha256": "0" * 64,
        "graphs_sha256": graphs_of(manifest, manifest.configurations[0]),
        "policy_sha256": policy_digest(policy),
        "engine": "onnxruntime",
        "engine_version": engine_version("onnxruntime"),
        "precision": "float32",
        "processor": device_name(),
    }
    return Certificate(**{**given, **changes})


@pytest.fixture
def certified(tiny_bundle, tmp_path):
    """A copy of the bundle with a certificate and thresholds at which a first answer is given to many samples.

    Returns a function that writes it: thresholds, fallbacks and what is different in the certificate.
    """
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)

    def write(threshold=0.0, fallbacks=FALLBACKS, **changes):
        manifest = open_bundle(path).manifest
        policy = PolicyFile(policy="max-probability", thresholds=(threshold,), fallbacks=fallbacks)
        policy = replace(policy, certificate=certificate(manifest, policy, **changes))
        amend_bundle(path, lambda manifest: manifest.configurations, {"policy/policy.json": policy})
        return path

    return write


def test_answers_are_the_same_and_watched_ones_are_counted(tiny_bundle):
    plain = eerun.load(tiny_bundle.path, **LOAD)
    watched = eerun.load(tiny_bundle.path, **LOAD, shadow=0.3, shadow_seed=1, shadow_limit=0.9, shadow_confidence=0.9)
    assert plain.metrics is None
    expected, final = plain.infer(tiny_bundle.x), plain.infer(tiny_bundle.x, exits=False)
    found = watched.infer(tiny_bundle.x)
    assert np.array_equal(found.labels, expected.labels)
    assert np.array_equal(found.exit_index, expected.exit_index)
    assert np.allclose(found.outputs, expected.outputs, rtol=1e-5, atol=1e-6)
    assert (expected.step, len(expected.shadowed)) == (0, 0)
    assert found.step == 0
    rows = found.shadowed
    assert 0.2 < len(rows) / len(tiny_bundle.x) < 0.4
    differing = (expected.labels != final.labels)[rows].sum()
    assert differing > 0
    metrics = watched.metrics
    assert (metrics.samples, metrics.shadowed, metrics.disagreements) == (400, len(rows), differing)
    assert metrics.left == tuple(np.bincount(expected.exit_index, minlength=2).tolist())
    assert metrics.estimate == pytest.approx(differing / len(rows))
    assert metrics.low < metrics.estimate < metrics.high
    watched.infer(tiny_bundle.x, exits=False)
    assert watched.metrics == metrics


def test_the_choice_is_that_of_the_seed_and_does_not_depend_on_the_batches(tiny_bundle):
    def chosen(seed, batch):
        model = eerun.load(
            tiny_bundle.path, **LOAD, shadow=0.2, shadow_seed=seed, shadow_limit=0.9, shadow_confidence=0.9
        )
        starts = range(0, 120, batch)
        return [start + row for start in starts for row in model.infer(tiny_bundle.x[start:][:batch]).shadowed.tolist()]

    assert chosen(1, 120) == chosen(1, 7) != chosen(2, 120)


def test_down_the_ladder_until_exits_are_off(certified, tiny_bundle, caplog):
    model = eerun.load(certified(), **LOAD, shadow=1.0)
    assert model.void is None
    limits, steps, left = {0: model.metrics.limit}, [], {}
    with caplog.at_level(logging.WARNING, logger="eerun"):
        for _ in range(12):
            for start in range(0, 400, 40):
                result = model.infer(tiny_bundle.x[start : start + 40])
                limits[model.metrics.step] = model.metrics.limit
                left[result.step] = float((result.exit_index == 0).mean())
                steps.append(result.step)
    assert steps == sorted(steps)
    assert set(steps) == {0, 1, 2}, "nothing is wrong with the last fallback"
    assert limits == {0: 0.01, 1: 0.005, 2: 0.004}
    assert left[0] == 1 > left[1] > left[2] > 0
    warned = [record.message for record in caplog.records]
    assert len(warned) == model.metrics.alarms == 2
    assert "thresholds fall back to step 1 of 3" in warned[0]


def test_at_last_no_sample_leaves_early_and_nobody_is_watched(certified, tiny_bundle, caplog):
    model = eerun.load(certified(fallbacks=()), **LOAD, shadow=1.0)
    for _ in range(5):
        result = model.infer(tiny_bundle.x)
    metrics = model.metrics
    assert (result.step, metrics.step, metrics.last_step, metrics.alarms) == (1, 1, 1, 1)
    assert (result.exit_index == 1).all()
    assert len(result.shadowed) == 0
    assert (metrics.limit, metrics.estimate, metrics.samples) == (None, None, 2000)
    assert "exits are off from here on" in caplog.text
    text = metrics.to_prometheus()
    assert "eerun_shadow_step 1\n" in text
    assert "interval" not in text


def test_who_hears_an_alarm_may_ask_for_the_metrics(certified, tiny_bundle):
    model, seen = eerun.load(certified(fallbacks=()), **LOAD, shadow=1.0), []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # in a thread of its own, so that a lock that is held fails the test instead of hanging it
            asked = threading.Thread(target=lambda: seen.append((record.getMessage(), model.metrics.step)), daemon=True)
            asked.start()
            asked.join(timeout=10)

    listener = Listener()
    logging.getLogger("eerun").addHandler(listener)
    try:
        for _ in range(5):
            model.infer(tiny_bundle.x)
            assert len(seen) == model.metrics.alarms, "the metrics could not be read while the alarm was told"
    finally:
        logging.getLogger("eerun").removeHandler(listener)
    assert [step for _, step in seen] == [1]
    assert "exits are off from here on" in seen[0][0]


def test_an_alarm_comes_when_the_inputs_shift(certified, tiny_bundle):
    """At this threshold answers hardly differ on the data; on noise they do."""
    model = eerun.load(certified(threshold=0.9, fallbacks=()), **LOAD, shadow=1.0)
    for _ in range(3):
        model.infer(tiny_bundle.x)
    assert model.metrics.step == 0
    random = np.random.default_rng(0)
    for _ in range(20):
        model.infer(tiny_bundle.x + random.normal(0, 4, tiny_bundle.x.shape).astype(np.float32))
    assert model.metrics.step == 1


def test_prometheus_text(tiny_bundle):
    model = eerun.load(tiny_bundle.path, **LOAD, shadow=0.5, shadow_limit=0.9, shadow_confidence=0.9)
    model.infer(tiny_bundle.x)
    metrics, values = model.metrics, {}
    for line in model.metrics.to_prometheus().splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            values[name] = float(value)
    assert values["eerun_samples_total"] == 400
    assert values['eerun_exit_samples_total{exit="early"}'] == metrics.left[0]
    assert values["eerun_shadow_samples_total"] == metrics.shadowed
    assert values["eerun_shadow_disagreement"] == pytest.approx(metrics.estimate)
    assert values['eerun_shadow_disagreement_interval{end="high"}'] == pytest.approx(metrics.high)
    assert values["eerun_shadow_log_martingale"] == pytest.approx(metrics.log_martingale)
    names = [line.split()[2] for line in model.metrics.to_prometheus().splitlines() if line.startswith("# TYPE")]
    assert len(set(names)) == len(names) == 11
    odd = replace(metrics, exits=('a "b"\\', "c\n")).to_prometheus()
    assert '{exit="a \\"b\\"\\\\"}' in odd
    assert '{exit="c\\n"}' in odd


def test_calls_from_several_threads_are_all_counted(tiny_bundle):
    model = eerun.load(tiny_bundle.path, **LOAD, shadow=0.5, shadow_limit=0.9, shadow_confidence=0.9)
    rows = []

    def work():
        for _ in range(20):
            rows.append(len(model.infer(tiny_bundle.x[:30]).shadowed))
            seen = model.metrics
            assert sum(seen.left) == seen.samples

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    metrics = model.metrics
    assert (metrics.samples, metrics.shadowed, metrics.watched) == (4 * 20 * 30, sum(rows), sum(rows))


def test_a_certificate_that_does_not_hold_is_said_and_still_watched(certified, caplog):
    model = eerun.load(certified(processor="another processor"), **LOAD, shadow=0.1)
    assert model.certificate is not None
    assert "processor 'another processor' was certified" in model.void
    assert model.void in caplog.text
    assert model.metrics.limit == 0.01


def test_a_limit_of_the_user_replaces_those_of_the_certificate(certified):
    model = eerun.load(certified(), **LOAD, shadow=0.1, shadow_limit=0.2, shadow_confidence=0.99)
    assert (model.metrics.limit, model.metrics.confidence) == (0.2, 0.99)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"shadow": 0.1}, "no certificate"),
        ({"shadow": 0.1, "shadow_limit": 0.1}, "no certificate"),
        ({"shadow": 0.0, "shadow_limit": 0.1, "shadow_confidence": 0.9}, "above 0"),
        ({"shadow": 0.1, "shadow_limit": 1.0, "shadow_confidence": 0.9}, "shadow_limit: got 1.0"),
        ({"shadow": 0.1, "shadow_limit": 0.1, "shadow_confidence": 0.0}, "shadow_confidence: got 0.0"),
        ({"shadow_limit": 0.1}, "no share of samples"),
    ],
)
def test_what_cannot_be_watched_is_refused(tiny_bundle, given, words):
    with pytest.raises(UserError, match=words):
        eerun.load(tiny_bundle.path, **LOAD, **given)


def test_a_certificate_that_bounds_nothing_is_refused(certified):
    with pytest.raises(UserError, match="cannot be watched"):
        eerun.load(certified(disagreement=1.0), **LOAD, shadow=0.1)


def test_a_device_is_refused(tiny_bundle):
    with pytest.raises(EngineError, match="runs on a device"):
        eerun.load(
            tiny_bundle.path,
            engine="onnxruntime",
            device=CpuDevice(),
            shadow=0.1,
            shadow_limit=0.1,
            shadow_confidence=0.9,
        )
