"""Calls of a model: infer, submit and ainfer answer alike, from any thread; what cannot be asked for is refused."""

import asyncio
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import eerun
from eengines.devices.cpu import CpuDevice
from eengines.errors import ClosedError, DeadlineError, EngineError, InputError, UserError
from eerun.bundle import Certificate, Fallback, PolicyFile, amend_bundle, graphs_of, open_bundle, policy_digest
from eerun.circumstances import engine_version
from eerun.measure_costs import device_name

LOAD = {"engine": "onnxruntime", "threads": 2}
WAIT_S = 30


@pytest.fixture(scope="module")
def model(tiny_bundle):
    with eerun.load(tiny_bundle.path, **LOAD, scheduling=eerun.SchedulerSettings(max_queue=4000)) as opened:
        yield opened


def same(found, expected, rows):
    assert np.array_equal(found.labels, expected.labels[rows])
    assert np.array_equal(found.exit_index, expected.exit_index[rows])
    assert np.allclose(found.outputs, expected.outputs[rows], rtol=1e-5, atol=1e-6)
    assert np.allclose(found.confidence, expected.confidence[rows], rtol=1e-5)


def test_threads_and_asyncio_together_get_what_infer_says(model, tiny_bundle):
    x, expected = tiny_bundle.x, model.infer(tiny_bundle.x)
    before = model.statistics()
    parts = [slice(start, start + 1 + start % 13) for start in range(0, 380, 3)]

    async def many():
        return await asyncio.gather(*(model.ainfer(x[rows]) for rows in parts))

    with ThreadPoolExecutor(3) as pool:
        asked = pool.submit(asyncio.run, many())
        synchronous = [pool.submit(model.infer, x[rows]) for rows in parts]
        futures = [model.submit(x[rows]) for rows in parts]
        for rows, a, b, c in zip(parts, asked.result(WAIT_S), futures, synchronous, strict=True):
            same(a, expected, rows)
            same(b.result(WAIT_S), expected, rows)
            same(c.result(WAIT_S), expected, rows)
    after = model.statistics()
    assert after.requests - before.requests >= 2 * len(parts)
    assert after.queued_samples == after.inside == 0


def test_infer_shares_batches_while_somebody_else_is_served(model, tiny_bundle):
    model.submit(tiny_bundle.x[:1]).result(WAIT_S)
    lock, results = model._executor.lock, []
    with lock:  # the engine is busy: the first waits for it by itself, the others share what comes next
        threads = [
            threading.Thread(target=lambda row=row: results.append((row, model.infer(tiny_bundle.x[row : row + 1]))))
            for row in range(7)
        ]
        for thread in threads:
            thread.start()
        big = threading.Thread(target=lambda: results.append((-1, model.infer(tiny_bundle.x[:30]))))
        big.start()
        ends = time.monotonic() + WAIT_S
        while model.statistics().queued_samples < 7:  # one part of the large call or a small one may be at the lock
            assert time.monotonic() < ends, "they do not wait for each other"
            time.sleep(0.001)
    for thread in (*threads, big):
        thread.join(WAIT_S)
    expected = model.infer(tiny_bundle.x)
    assert len(results) == 8
    for row, result in results:
        same(result, expected, slice(0, 30) if row < 0 else slice(row, row + 1))
    assert any(not result.steps for _, result in results), "somebody shared a batch"


def test_samples_leave_where_the_call_says(model, tiny_bundle):
    x, expected = tiny_bundle.x[:50], model.infer(tiny_bundle.x[:50])
    final = model.infer(x, exits=False)
    assert set(expected.exit_index.tolist()) == {0, 1}
    same(model.submit(x, exits=False).result(WAIT_S), final, slice(None))
    same(model.submit(x, min_exit=1).result(WAIT_S), final, slice(None))
    forced = model.submit(x, max_exit=0).result(WAIT_S)
    assert (forced.exit_index == 0).all()
    early = expected.exit_index == 0
    assert np.array_equal(forced.labels[early], expected.labels[early])
    assert model.statistics().forced >= (~early).sum()
    assert forced.queue_ns > 0
    assert forced.compute_ns > 0


def test_on_exit_hears_of_samples_before_the_call_is_answered(model, tiny_bundle):
    told = []
    result = model.submit(tiny_bundle.x[:40], on_exit=told.append).result(WAIT_S)
    samples = np.concatenate([left.samples for left in told])
    assert sorted(samples.tolist()) == list(range(40))
    for left in told:
        assert np.array_equal(result.labels[left.samples], left.labels)
        assert (result.exit_index[left.samples] == left.exit_index).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_exit": 2}, r"min_exit: got 2, the exits are 0 \(early\), 1 \(final\)"),
        ({"min_exit": -1}, "min_exit: got -1"),
        ({"max_exit": 5}, "max_exit: got 5"),
        ({"max_exit": True}, "max_exit: got True"),
        ({"max_exit": "early"}, "max_exit: got str, expected the number of an exit"),
        ({"min_exit": [1]}, "min_exit: got list"),
        ({"min_exit": 1, "max_exit": 0}, r"got 1 \(final\), behind max_exit 0 \(early\)"),
        ({"deadline_ms": 0}, "deadline_ms: got 0, expected above 0"),
        ({"deadline_ms": float("nan")}, "deadline_ms: got nan"),
        ({"deadline_ms": "soon"}, "deadline_ms: got str"),
        ({"deadline_ms": 10**400}, "deadline_ms: got an integer of 1329 bits, expected above 0 and at most 86400000"),
        ({"deadline_ms": -(10**5000)}, "deadline_ms: got an integer of 16610 bits"),
        ({"deadline_ms": 1e305}, r"deadline_ms: got 1e\+305"),
        ({"deadline_ms": np.float32("inf")}, "deadline_ms: got inf"),
        ({"max_exit": 10**5000}, "max_exit: got an integer of 16610 bits, the exits are 0"),
        ({"min_exit": -(10**100)}, "min_exit: got an integer of 333 bits"),
        ({"on_exit": 3}, "on_exit: got int, expected a function"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(model, tiny_bundle, given, words):
    with pytest.raises(UserError, match=words):
        model.submit(tiny_bundle.x[:1], **given)
    with pytest.raises(UserError, match=words):
        asyncio.run(model.ainfer(tiny_bundle.x[:1], **given))


def test_a_deadline_that_cannot_be_kept_is_refused_by_the_future(model, tiny_bundle):
    future = model.submit(tiny_bundle.x[:200], deadline_ms=0.001)
    with pytest.raises(DeadlineError):
        future.result(WAIT_S)
    for long in (np.float32(1e5), np.int64(100_000), 86_400_000):
        assert len(model.submit(tiny_bundle.x[:9], deadline_ms=long).result(WAIT_S).labels) == 9
    same(model.submit(tiny_bundle.x[:9], deadline_ms=1e5).result(WAIT_S), model.infer(tiny_bundle.x[:9]), slice(None))


def test_cancelling_an_awaited_call_withdraws_it(model, tiny_bundle):
    model.submit(tiny_bundle.x[:1]).result(WAIT_S)
    before = model.statistics().failures.get("CancelledError", 0)

    async def go():
        with model._executor.lock:  # nothing can run
            first = asyncio.ensure_future(model.ainfer(tiny_bundle.x[:8]))
            tasks = [asyncio.ensure_future(model.ainfer(tiny_bundle.x[:8])) for _ in range(20)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
        await first
        return found

    assert all(isinstance(each, asyncio.CancelledError) for each in asyncio.run(go()))
    assert model.statistics().failures["CancelledError"] - before > 10


def test_more_samples_than_may_wait(tiny_bundle):
    with eerun.load(tiny_bundle.path, **LOAD, scheduling=eerun.SchedulerSettings(max_queue=10)) as small:
        with pytest.raises(InputError, match="got 11 samples, at most 10 may wait"):
            small.submit(tiny_bundle.x[:11])
        assert len(small.infer(tiny_bundle.x[:100]).labels) == 100


def test_max_batch(tiny_bundle, folded_bundle):
    for wrong in (0, -1, 9, True):
        with pytest.raises(UserError, match=r"max_batch: got .*, expected 1 to 8"):
            eerun.load(tiny_bundle.path, **LOAD, max_batch=wrong)
    with eerun.load(tiny_bundle.path, **LOAD, max_batch=3) as model, eerun.load(tiny_bundle.path, **LOAD) as usual:
        found = model.infer(tiny_bundle.x[:10])
        assert [part[0].rows for part in found.steps] == [3, 3, 3, 1]
        same(found, usual.infer(tiny_bundle.x[:10]), slice(None))
        model.submit(tiny_bundle.x[:10]).result(WAIT_S)
        assert max(rows for rows, count in enumerate(model.statistics().segment_batch[0]) if count) == 3
    with pytest.raises(UserError, match=r"expected a multiple of 4: .* Give 4"):
        eerun.load(folded_bundle.path, **LOAD, max_batch=7)


def test_the_whole_network(tiny_bundle, folded_bundle):
    for bundle in (tiny_bundle, folded_bundle):
        with eerun.load(bundle.path, **LOAD, whole=True) as whole, eerun.load(bundle.path, **LOAD) as model:
            assert (whole.exits, whole.thresholds, whole.certificate) == (("whole",), (), None)
            expected = model.infer(bundle.x[:21], exits=False)
            shares = np.exp(expected.outputs) / np.exp(expected.outputs).sum(axis=1, keepdims=True)
            for found in (whole.infer(bundle.x[:21]), whole.submit(bundle.x[:21]).result(WAIT_S)):
                assert np.array_equal(found.labels, expected.labels)
                assert np.allclose(found.outputs, expected.outputs, rtol=1e-4, atol=1e-5)
                assert np.allclose(found.confidence, shares.max(axis=1), rtol=1e-4)
                assert not found.exit_index.any()
            assert whole.statistics().exit_count == (21,)
            with pytest.raises(UserError, match="max_exit: got 1, the exits are 0"):
                whole.submit(bundle.x[:1], max_exit=1)


def test_the_whole_network_is_the_fastest_that_was_measured(tiny_bundle, tmp_path):
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    bundle = open_bundle(path)
    costs = replace(bundle.costs(bundle.manifest.configurations[1]), whole_ms=(0.04, 0.04, 0.04, 0.04))
    amend_bundle(path, lambda manifest: manifest.configurations, {"costs/openvino.json": costs})
    assert eerun.load(path, whole=True).engine == "openvino"
    assert eerun.load(path, whole=True, max_batch=1, engine="onnxruntime").engine == "onnxruntime"
    assert eerun.load(path).engine == "onnxruntime"


def test_the_whole_network_on_a_device(tiny_bundle):
    with eerun.load(tiny_bundle.path, **LOAD, whole=True, device=CpuDevice()) as whole:
        expected = eerun.load(tiny_bundle.path, **LOAD).infer(tiny_bundle.x[:30], exits=False)
        for found in (whole.infer(tiny_bundle.x[:30]), whole.submit(tiny_bundle.x[:30]).result(WAIT_S)):
            assert np.array_equal(found.labels, expected.labels)
        assert whole.statistics().exit_count == (30,)


def test_on_a_device_several_batches_run_at_once(tiny_bundle):
    with eerun.load(tiny_bundle.path, **LOAD, device=CpuDevice(), in_flight=2) as model:
        expected = model.infer(tiny_bundle.x)
        futures = [(row, model.submit(tiny_bundle.x[row : row + 3])) for row in range(0, 300, 3)]
        for row, future in futures:
            assert np.array_equal(future.result(WAIT_S).labels, expected.labels[row : row + 3])
        assert len(model._service.scheduler._threads) == 2


def certify(path, fallbacks):
    """Make thresholds of 0 certified, in a bundle that is rewritten."""
    manifest = open_bundle(path).manifest
    policy = PolicyFile(policy="max-probability", thresholds=(0.0,), fallbacks=fallbacks)
    certificate = Certificate(
        risk="disagreement",
        limit=0.1,
        confidence=0.9,
        method="betting",
        samples=1000,
        bound=0.09,
        disagreement=0.1,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(manifest, manifest.configurations[0]),
        policy_sha256=policy_digest(policy),
        engine="onnxruntime",
        engine_version=engine_version("onnxruntime"),
        precision="float32",
        processor=device_name(),
    )
    amend_bundle(
        path, lambda manifest: manifest.configurations, {"policy/policy.json": replace(policy, certificate=certificate)}
    )


def test_calm_thresholds(tiny_bundle, tmp_path):
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    calm = eerun.SchedulerSettings(calm_step=1, max_queue=16)
    with pytest.raises(UserError, match="the thresholds have no certificate"):
        eerun.load(path, **LOAD, scheduling=calm)
    certify(path, (Fallback(thresholds=(0.9,), bound=0.01, disagreement=0.01),))
    with pytest.raises(UserError, match="got calm_step 2, the bundle has 1 certified fallbacks"):
        eerun.load(path, **LOAD, scheduling=replace(calm, calm_step=2))
    with pytest.raises(UserError, match="together with shadow"):
        eerun.load(path, **LOAD, scheduling=calm, shadow=0.1)
    with pytest.raises(UserError, match="whole=True, which has no exits, with calm_step"):
        eerun.load(path, **LOAD, scheduling=calm, whole=True)
    with eerun.load(path, **LOAD, scheduling=calm) as model:
        assert model.statistics().step == 1
        for found in (model.infer(tiny_bundle.x[:16]), model.submit(tiny_bundle.x[:4]).result(WAIT_S)):
            assert found.step == 1
            assert found.exit_index.any(), "at 0.9 not everybody leaves at the first exit"
        with model._executor.lock:  # nothing can run: the queue fills up
            futures = [model.submit(tiny_bundle.x[:4]) for _ in range(4)]
        found = [future.result(WAIT_S) for future in futures]
        assert [each.step for each in found][-1] == 0
        assert not found[-1].exit_index.any(), "as loaded everybody leaves at once"
        snapshot = model.statistics()
        assert snapshot.step_changes >= 1
        assert snapshot.step_samples[0] >= 4


def test_a_watched_model_is_served_and_watches(tiny_bundle):
    with (
        eerun.load(
            tiny_bundle.path, **LOAD, shadow=0.4, shadow_seed=3, shadow_limit=0.9, shadow_confidence=0.9
        ) as watched,
        eerun.load(tiny_bundle.path, **LOAD) as plain,
    ):
        expected, final = plain.infer(tiny_bundle.x), plain.infer(tiny_bundle.x, exits=False)
        futures = [(row, watched.submit(tiny_bundle.x[row : row + 5])) for row in range(0, 400, 5)]
        shadowed = list[int]()
        for row, future in futures:
            found = future.result(WAIT_S)
            same(found, expected, slice(row, row + 5))
            shadowed += (found.shadowed + row).tolist()
    metrics = watched.metrics
    assert metrics.samples == 400
    assert metrics.shadowed == len(shadowed) > 100
    assert metrics.disagreements == (expected.labels != final.labels)[shadowed].sum()


def test_a_closed_model_refuses_every_call(tiny_bundle):
    model = eerun.load(tiny_bundle.path, **LOAD)
    model.submit(tiny_bundle.x[:2]).result(WAIT_S)
    assert model.close()
    assert model.close(drain=False, timeout_s=1)
    for call in (model.infer, model.submit, lambda x: asyncio.run(model.ainfer(x))):
        with pytest.raises(ClosedError, match="the model is closed"):
            call(tiny_bundle.x[:1])
    assert model.statistics().samples == 2


def test_a_model_that_fails_is_not_healthy_until_it_answers(tiny_bundle, monkeypatch, caplog):
    with eerun.load(tiny_bundle.path, **LOAD) as model:
        assert model.healthy
        model.submit(tiny_bundle.x[:1]).result(WAIT_S)
        lane = model._service.scheduler._dispatcher.all_turns[0].lane
        start = lane.start

        def broken(chunks):
            raise KeyError("made to fail")

        monkeypatch.setattr(lane, "start", broken)
        for _ in range(3):
            with pytest.raises(EngineError, match="KeyError"):
                model.submit(tiny_bundle.x[:1]).result(WAIT_S)
        assert not model.healthy
        monkeypatch.setattr(lane, "start", start)
        same(model.submit(tiny_bundle.x[:3]).result(WAIT_S), model.infer(tiny_bundle.x[:3]), slice(None))
        assert model.healthy
