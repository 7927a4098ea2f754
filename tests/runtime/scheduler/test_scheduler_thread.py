"""The thread around the dispatcher: futures, closing in every state, failing runs, and who is told what."""

import asyncio
import logging
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest
from simulated_lane import Clock, SimulatedLane, expected_answers, make_request

from eengines.errors import ClosedError, EngineError, UserError
from eerun.executor import Shadowed
from eerun.scheduler import Scheduler, SchedulerSettings, Statistics
from eerun.scheduler.health import UNHEALTHY_AFTER
from eerun.scheduler.lanes import Lanes, Ran
from eerun.scheduler.request import Answered

WAIT_S = 30
"""A test that waits so long has failed."""


class GatedLane(SimulatedLane):
    """Runs wait until the test lets them."""

    def __post_init__(self):
        super().__post_init__()
        self.began, self.gate = threading.Semaphore(0), threading.Semaphore(0)

    def _pass(self, segment, rows):
        self.began.release()
        assert self.gate.acquire(timeout=WAIT_S)
        return super()._pass(segment, rows)


def make_scheduler(lane, **settings):
    return Scheduler(
        Lanes(lanes=(lane,)),
        Statistics(("a", "b", "c"), max_rows=lane.max_rows),
        settings=SchedulerSettings(**settings),
        where="test",
    )


def check(request):
    answered = request.reply.result(timeout=WAIT_S)
    exits, logits = expected_answers(answered.inputs["x"], answered.terms)
    assert answered.answers.exit_index.tolist() == exits.tolist()
    assert np.array_equal(answered.answers.outputs, logits)


@pytest.fixture
def lane():
    return GatedLane(Clock())


@pytest.fixture
def scheduler(lane):
    made = make_scheduler(lane)
    yield made
    for _ in range(1000):
        lane.gate.release()
    assert made.close(drain=True, timeout_s=WAIT_S)


def open_gate(lane):
    for _ in range(1000):
        lane.gate.release()


def test_many_threads_at_once():
    lane = SimulatedLane(Clock())
    scheduler = make_scheduler(lane, max_queue=100_000)
    random = np.random.default_rng(0)
    requests = [make_request(random.uniform(0, 9, random.integers(1, 20))) for _ in range(400)]

    def submit(part):
        for request in part:
            scheduler.submit(request)

    threads = [threading.Thread(target=submit, args=(requests[k::4],)) for k in range(4)]
    for thread in threads:
        thread.start()
    for request in requests:
        check(request)
    for thread in threads:
        thread.join()
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert scheduler.idle
    snapshot = scheduler.snapshot()
    assert snapshot.requests == 400
    assert snapshot.samples == sum(snapshot.exit_count) == sum(request.count for request in requests)
    assert sum(map(sum, snapshot.confidence)) == snapshot.samples
    assert sum(snapshot.duration) == 400
    assert snapshot.segment_runs[0] == snapshot.batches == sum(snapshot.segment_batch[0])


def test_closing_refuses_what_has_not_begun_and_finishes_what_has(lane, scheduler):
    begun = make_request(np.full(12, 2.0), thresholds=(None, None))
    scheduler.submit(begun)
    assert lane.began.acquire(timeout=WAIT_S)
    waiting = make_request(np.full(3, 2.0))
    scheduler.submit(waiting)
    assert scheduler.close(drain=False, timeout_s=0) is False
    with pytest.raises(ClosedError, match="closed before it ran"):
        waiting.reply.result(timeout=WAIT_S)
    with pytest.raises(ClosedError, match="the model is closed"):
        scheduler.submit(make_request(np.zeros(1)))
    open_gate(lane)
    check(begun)
    assert scheduler.close(drain=False, timeout_s=WAIT_S)


def test_closing_with_drain_answers_everybody(lane, scheduler):
    requests = [make_request(np.full(5, 0.3 * index)) for index in range(6)]
    for request in requests:
        scheduler.submit(request)
    closer = threading.Thread(target=scheduler.close, kwargs={"drain": True})
    closer.start()
    open_gate(lane)
    closer.join(timeout=WAIT_S)
    assert not closer.is_alive()
    for request in requests:
        check(request)


def test_closing_with_drain_gives_up_after_its_time(lane, scheduler):
    scheduler.submit(make_request(np.zeros(8)))
    assert lane.began.acquire(timeout=WAIT_S)
    waiting = make_request(np.zeros(8))
    scheduler.submit(waiting)
    assert scheduler.close(drain=True, timeout_s=0.01) is False
    assert isinstance(waiting.reply.exception(timeout=WAIT_S), ClosedError)


def test_closing_again_and_before_anything_ran():
    scheduler = make_scheduler(SimulatedLane(Clock()))
    assert scheduler.close(drain=False, timeout_s=WAIT_S)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)


def test_closing_from_a_callback_of_the_thread_does_not_wait_for_itself(lane, scheduler):
    request, closed = make_request(np.zeros(1)), []
    request.reply.add_done_callback(lambda _: closed.append(scheduler.close(drain=True)))
    scheduler.submit(request)
    open_gate(lane)
    check(request)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert closed == [False]


def test_a_cancelled_call_never_runs(lane, scheduler):
    first, second = make_request(np.zeros(8)), make_request(np.zeros(8))
    for request in (first, second):
        request.reply.withdraw = lambda request=request: scheduler.withdraw(request)
        scheduler.submit(request)
    assert lane.began.acquire(timeout=WAIT_S)
    assert not first.reply.cancel(), "it runs already"
    assert second.reply.cancel()
    assert scheduler.snapshot().queued_samples == 0
    open_gate(lane)
    check(first)
    with pytest.raises(CancelledError):
        second.reply.result(timeout=WAIT_S)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert lane.runs[0] == (0, 8)
    assert [run for run in lane.runs if run[0] == 0] == [(0, 8)]
    assert scheduler.snapshot().failures == {"CancelledError": 1}


@pytest.mark.parametrize(
    "error", [RuntimeError("a defect of the test"), EngineError("segment 0", "it broke", "Fix it")]
)
def test_a_failed_run_fails_its_calls_and_no_others(error, caplog):
    lane = SimulatedLane(Clock(), fail_at={0}, error=error)
    scheduler = make_scheduler(lane)
    bad = make_request(np.zeros(8))
    with caplog.at_level(logging.ERROR, logger="eerun"):
        scheduler.submit(bad)
        found = bad.reply.exception(timeout=WAIT_S)
    assert isinstance(found, EngineError)
    if isinstance(error, RuntimeError):
        assert "RuntimeError: a defect of the test" in str(found)
        assert caplog.records[0].exc_info is not None
    good = make_request(np.full(4, 1.2))
    scheduler.submit(good)
    check(good)
    assert scheduler.healthy
    scheduler.close(drain=True)
    assert scheduler.snapshot().failures == {"EngineError": 1}


def test_it_is_not_healthy_after_three_failed_runs_until_one_succeeds(caplog):
    lane = SimulatedLane(Clock(), fail_at=set(range(UNHEALTHY_AFTER)))
    scheduler, seen = make_scheduler(lane), []
    for _ in range(UNHEALTHY_AFTER + 1):
        request = make_request(np.full(1, 0.4), max_exit=0)
        scheduler.submit(request)
        request.reply.exception(timeout=WAIT_S)
        wait_until(lambda: scheduler.idle)
        seen.append(scheduler.healthy)
    scheduler.close(drain=True)
    assert seen == [True, True, False, True]


def wait_until(condition):
    ends = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.001)


def test_on_exit_is_told_of_everybody_once_before_the_call_is_answered(caplog):
    scheduler, told = make_scheduler(SimulatedLane(Clock())), []
    request = make_request(np.random.default_rng(1).uniform(0, 9, 30), on_exit=told.append)
    scheduler.submit(request)
    check(request)
    assert sorted(np.concatenate([left.samples for left in told]).tolist()) == list(range(30))
    for left in told:
        assert (request.answers.exit_index[left.samples] == left.exit_index).all()
        assert np.array_equal(request.answers.outputs[left.samples], left.outputs)
        assert np.array_equal(left.outputs.argmax(axis=1), left.labels)
    assert len({left.exit_index for left in told}) == 3

    def raises(left):
        raise ValueError("of the caller")

    other = make_request(np.zeros(3), on_exit=raises)
    scheduler.submit(other)
    check(other)
    assert "on_exit raised" in caplog.text
    scheduler.close(drain=True)


def test_answers_to_one_loop_come_together():
    from eerun.scheduler.replies import LoopReply

    scheduler = make_scheduler(SimulatedLane(Clock()))

    async def go():
        requests = [make_request(np.full(2, 0.7), reply=LoopReply()) for _ in range(20)]
        for request in requests:
            scheduler.submit(request)
        await asyncio.wait_for(asyncio.gather(*(request.reply.future for request in requests)), WAIT_S)
        return requests

    requests = asyncio.run(go())
    assert all(request.over and request.missing == 0 for request in requests)
    scheduler.close(drain=True)


def test_a_loop_that_is_gone_does_not_stop_the_others(lane, scheduler):
    from eerun.scheduler.replies import LoopReply

    async def leave():
        request = make_request(np.zeros(2), reply=LoopReply())
        scheduler.submit(request)
        return request

    asyncio.run(leave())
    other = make_request(np.zeros(2))
    scheduler.submit(other)
    open_gate(lane)
    check(other)


def test_several_batches_run_at_once_where_a_lane_takes_them():
    class Wide(GatedLane):
        def _pass(self, segment, rows):
            found = super()._pass(segment, rows)
            self.rows[1] = []
            return found

    lane = Wide(Clock(), segments=1, in_flight=2, max_rows=2)
    lane.rows = [[], []]
    scheduler = make_scheduler(lane)
    requests = [make_request(np.zeros(2), max_exit=0, thresholds=(None, None)) for _ in range(4)]
    for request in requests:
        scheduler.submit(request)
    assert lane.began.acquire(timeout=WAIT_S)
    assert lane.began.acquire(timeout=WAIT_S), "the second runs while the first does"
    open_gate(lane)
    for request in requests:
        check(request)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)


def test_watched_samples_are_observed_when_the_last_was_at_the_final_exit():
    class Watching(SimulatedLane):
        """The second run tells what the final exit says of what the first answered."""

        def start(self, chunks):
            ran = super().start(chunks)
            self.rows[1] = [(chunk.request, index) for chunk in chunks for index in range(chunk.count)]
            return ran

        def run(self, segment):  # noqa: ARG002 - only one waits
            rows, self.rows[1] = self.rows[1], []
            request, count = rows[0][0], len(rows)
            answered = Answered(
                exit_index=2,
                requests=[request],
                bounds=[0, count],
                samples=np.arange(count),
                outputs=np.full((count, 3), 7, np.float32),
                confidence=np.zeros(count, np.float32),
                late=True,
            )
            return Ran(steps=(), answered=(answered,))

    observed = []
    scheduler = make_scheduler(Watching(Clock()))
    request = make_request(
        np.zeros(3), max_exit=0, watched=Shadowed.of(np.ones(3, np.bool_), (3,)), observe=observed.append
    )
    scheduler.submit(request)
    request.reply.result(timeout=WAIT_S)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert observed == [request]
    assert request.answers.shadow.early.all()
    assert (request.answers.shadow.outputs == 7).all()
    assert scheduler.snapshot().samples == 3, "an answer is counted once"


def leave(_):
    """As a callback that ends its program."""
    raise SystemExit(3)


def test_an_exit_in_code_of_the_caller_ends_no_thread(caplog):
    scheduler = make_scheduler(SimulatedLane(Clock()))
    told, called = make_request(np.zeros(3), on_exit=leave), make_request(np.zeros(3))
    called.reply.add_done_callback(leave)
    for request in (told, called, make_request(np.zeros(3))):
        scheduler.submit(request)
        check(request)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert scheduler.healthy
    assert "on_exit raised" in caplog.text
    assert "a callback raised" in caplog.text
    assert scheduler.snapshot().failures == {}


@pytest.mark.parametrize("where", ["the run", "the choice"])
def test_when_the_thread_ends_before_its_time_nobody_waits_in_vain(where, lane, monkeypatch):
    lane.error, lane.fail_at = SystemExit(3), {1} if where == "the run" else set()
    scheduler = make_scheduler(lane, max_hold_us=0)
    runs, waits = make_request(np.full(4, 2.0), thresholds=(None, None)), make_request(np.zeros(8))
    for request in (runs, waits):
        scheduler.submit(request)
        if request is runs:
            assert lane.began.acquire(timeout=WAIT_S)
    if where == "the choice":
        monkeypatch.setattr(scheduler._dispatcher, "next", leave_with_keywords)
    open_gate(lane)
    for request in (runs, waits):
        with pytest.raises(EngineError, match=r"a defect stopped the (run|scheduler): SystemExit: 3"):
            request.reply.result(timeout=WAIT_S)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert not scheduler.healthy
    with pytest.raises(ClosedError):
        scheduler.submit(make_request(np.zeros(1)))
    assert scheduler.snapshot().failures == {"EngineError": 2}


def leave_with_keywords(*_, **__):
    raise SystemExit(3)


def test_two_runs_of_one_call_that_fail_at_once_tell_it_once():
    """Both threads have seen that it has no reply when the first one gives it."""
    request, together = make_request(np.zeros(4)), threading.Barrier(8)
    told = []

    def refuse():
        delivery = scheduler._delivery
        together.wait(WAIT_S)
        told.extend(delivery.refuse([(request, EngineError("test", "it broke", "Fix it"))]))

    scheduler = make_scheduler(SimulatedLane(Clock()))
    request.begun = request.reply.begin()
    threads = [threading.Thread(target=refuse) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=WAIT_S)
    assert told == [request]
    assert [request.claim(), request.over] == [False, True]
    assert scheduler.snapshot().failures == {"EngineError": 1}
    scheduler.close(drain=True)


def test_a_deep_segment_that_always_fails_is_not_healthy_though_the_first_succeeds():
    class Broken(SimulatedLane):
        def run(self, segment):
            super().run(segment)
            if broken:
                raise EngineError("segment", "it broke", "Fix it")
            return Ran(steps=(), answered=())

    broken, seen = [True], []
    scheduler = make_scheduler(Broken(Clock()))
    for _ in range(UNHEALTHY_AFTER):
        seen.append(scheduler.healthy)
        request = make_request(np.full(1, 2.0), thresholds=(None, None))
        scheduler.submit(request)
        assert isinstance(request.reply.exception(timeout=WAIT_S), EngineError)
        wait_until(lambda: scheduler.idle)
    assert seen == [True] * UNHEALTHY_AFTER
    assert not scheduler.healthy
    early = make_request(np.zeros(1), max_exit=0)
    scheduler.submit(early)
    check(early)
    wait_until(lambda: scheduler.idle)
    assert not scheduler.healthy, "it never got there"
    broken.clear()
    scheduler.submit(make_request(np.full(1, 2.0), thresholds=(None, None)))
    wait_until(lambda: scheduler.healthy)
    scheduler.close(drain=True, timeout_s=WAIT_S)


def test_a_call_is_counted_before_its_caller_hears_of_it():
    """Also its scores, whose arrays belong to whoever is told."""
    counted = []

    def note(left):
        left.confidence[:] = 7
        counted.append(("told", scheduler.snapshot().samples))

    scheduler = make_scheduler(SimulatedLane(Clock()))
    request = make_request(np.zeros(3), max_exit=0, on_exit=note)
    request.reply.add_done_callback(lambda _: counted.append(("answered", scheduler.snapshot().requests)))
    refused = make_request(np.zeros(3), deadline_ns=0)
    refused.reply.add_done_callback(lambda _: counted.append(("refused", scheduler.snapshot().failures)))
    for each in (request, refused):
        scheduler.submit(each)
        each.reply.exception(timeout=WAIT_S)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert counted == [("told", 3), ("answered", 1), ("refused", {"DeadlineError": 1})]
    assert scheduler.snapshot().confidence[0][-1] == 0


def test_a_call_that_cannot_be_concluded_fails_alone(lane, scheduler):
    def raises(request):
        raise ValueError("of the test")

    first = make_request(np.zeros(1))
    scheduler.submit(first)
    assert lane.began.acquire(timeout=WAIT_S)
    together = [make_request(np.zeros(2), max_exit=0) for _ in range(3)]
    together[0].conclude, together[1].observe = raises, raises
    for request in together:
        scheduler.submit(request)
    open_gate(lane)
    for request in together[:2]:
        with pytest.raises(EngineError, match="a defect stopped the answer: ValueError: of the test"):
            request.reply.result(timeout=WAIT_S)
    check(together[2])
    check(first)
    assert scheduler.close(drain=True, timeout_s=WAIT_S)
    assert scheduler.healthy
    assert scheduler.snapshot().requests == 2
    assert scheduler.snapshot().failures == {"EngineError": 2}


@pytest.mark.parametrize("name", ["max_queue", "max_hold_us", "max_queue_delay_us", "calm_step"])
@pytest.mark.parametrize("value", ["5", float("nan"), 2.5, True, -1])
def test_settings_are_whole_numbers(name, value):
    with pytest.raises(UserError, match=name):
        SchedulerSettings(**{name: value})


def test_only_the_time_to_hold_may_be_left_to_the_scheduler():
    assert SchedulerSettings(max_hold_us=None).max_hold_us is None
    with pytest.raises(UserError, match="max_queue: got NoneType, expected a whole number"):
        SchedulerSettings(max_queue=None)
