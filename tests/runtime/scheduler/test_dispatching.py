"""The dispatcher in simulated time: everybody is answered once and rightly or refused, in bounded time."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_lane import Clock, SimulatedLane, expected_answers, make_request, simulated_costs

from eengines.errors import DeadlineError, InputError, OverloadError
from eerun.scheduler import SchedulerSettings, Statistics, Terms
from eerun.scheduler.delivery import Delivery
from eerun.scheduler.dispatcher import Dispatcher, Turn
from eerun.scheduler.lane_turns import PATIENCE_BATCHES
from eerun.scheduler.lanes import Lanes, Share

MS = 1_000_000
EXITS = ("a", "b", "c")


class Simulation:
    """A dispatcher whose runs take the time of the cost table, and nothing else takes time."""

    def __init__(self, *, lane=None, lanes=None, **settings):
        self.clock = Clock() if lane is None else lane.clock
        self.lane = lane or SimulatedLane(self.clock)
        self.dispatcher = Dispatcher(lanes or Lanes(lanes=(self.lane,)), SchedulerSettings(**settings), where="test")
        self.statistics = Statistics(EXITS, max_rows=self.lane.max_rows)
        self.delivery = Delivery(self.statistics)
        self.answered_ns, self.turns = {}, []

    def admit(self, request):
        self.dispatcher.place(request)
        self.dispatcher.admit(request, self.clock.now_ns)
        self.tell()

    def tell(self):
        refused, self.dispatcher.refused = self.dispatcher.refused, []
        for request in self.delivery.refuse(refused):
            self.dispatcher.over(request)

    def turn(self, *, draining=False):
        """Run once; return what `next` said."""
        found = self.dispatcher.next(self.clock.now_ns, draining=draining)
        if isinstance(found, Turn):
            self.turns.append(found)
            ran = found.run()
            self.dispatcher.ran(found, ran, self.clock.now_ns)
            for request in self.delivery.deliver(ran, self.clock.now_ns):
                self.answered_ns[request] = self.clock.now_ns
                self.dispatcher.over(request)
        self.tell()
        return found

    def drain(self):
        for _ in range(10_000):
            if self.turn(draining=True) is None:
                assert self.dispatcher.idle
                return
        raise AssertionError("it does not come to an end")


def request_at(clock, x, **given):
    return make_request(np.asarray(x, np.float64), accepted_ns=clock.now_ns, **given)


def check_answers(request):
    exits, logits = expected_answers(request.inputs["x"], request.terms)
    assert request.reply.result(timeout=0) is request
    assert request.answers.exit_index.tolist() == exits.tolist()
    assert np.array_equal(request.answers.outputs, logits)
    assert np.array_equal(request.labels, logits.argmax(axis=1))


calls = st.lists(
    st.tuples(
        st.integers(0, 3 * MS),  # nanoseconds until it comes
        st.lists(st.floats(0, 9), min_size=1, max_size=12),
        st.sampled_from([(0.5, 0.5), (None, 0.2), (0.9, None), (None, None)]),
        st.integers(0, 2),
        st.none() | st.integers(1, 40),  # deadline in ms
        st.integers(0, 9),  # 0: it is cancelled at once
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    arrivals=calls,
    delay_us=st.sampled_from([0, 500, 4000]),
    hold_us=st.sampled_from([None, 0, 2000]),
    mixes=st.booleans(),
    fast=st.booleans(),
)
def test_everybody_is_answered_once_and_rightly_or_refused(arrivals, delay_us, hold_us, mixes, fast):
    costs = simulated_costs(((0.1, 0.1, 0.1, 0.1),) * 3) if fast else simulated_costs()
    lane = SimulatedLane(Clock(), costs=costs, mixes=mixes)
    found = Simulation(lane=lane, max_queue=30, max_queue_delay_us=delay_us, max_hold_us=hold_us)
    requests = []
    for wait_ns, x, thresholds, max_exit, deadline_ms, cancel in arrivals:
        until = found.clock.now_ns + wait_ns
        while found.clock.now_ns < until:
            said = found.turn()
            if not isinstance(said, Turn):
                found.clock.now_ns = until if said is None else min(max(said, found.clock.now_ns + 1), until)
        deadline_ns = None if deadline_ms is None else found.clock.now_ns + deadline_ms * MS
        request = request_at(found.clock, x, thresholds=thresholds, max_exit=max_exit, deadline_ns=deadline_ns)
        try:
            found.admit(request)
        except OverloadError:
            assert found.dispatcher.queued + len(x) > 30
            continue
        if cancel == 0 and request.reply.cancel():
            assert found.dispatcher.withdraw(request)
        requests.append(request)
    found.drain()
    for request in requests:
        if request.reply.cancelled():
            assert request.entered == 0
        elif request.reply.exception(timeout=0) is None:
            check_answers(request)
        else:
            assert isinstance(request.reply.exception(), DeadlineError)
            assert request.entered == 0
            assert request.deadline_ns is not None
    snapshot = found.statistics.snapshot()
    assert snapshot.samples == sum(r.count for r in requests if r.over and not r.reply.cancelled() and r.entered)
    assert found.dispatcher._deadlines == 0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    deadline_ms=st.integers(8, 60),
    size=st.integers(1, 20),
    rows=st.sampled_from([(2.4,) * 4, (1.0, 1.2, 1.6, 2.4)]),
)
def test_nobody_waits_longer_than_the_bound_whatever_else_comes(seed, deadline_ms, size, rows):
    """Calls with deadlines keep the queue full; one without is answered within its patience and one full queue."""
    random, queue = np.random.default_rng(seed), 24
    found = Simulation(lane=SimulatedLane(Clock(), costs=simulated_costs((rows,) * 3)), max_queue=queue + size)
    chain_ns = int(found.lane.costs.chain_ms(8) * MS)

    def fill():
        while found.dispatcher.queued < queue:
            found.admit(
                request_at(found.clock, random.uniform(0, 9, 1), deadline_ns=found.clock.now_ns + deadline_ms * MS)
            )

    fill()
    patient = request_at(found.clock, random.uniform(0, 9, size))
    found.admit(patient)
    began, starts_before = found.clock.now_ns, None
    while patient not in found.answered_ns:
        fill()
        found.turn()
        passed = found.clock.now_ns - began
        if starts_before is None and passed > PATIENCE_BATCHES * chain_ns:
            starts_before = len([turn for turn in found.turns if turn.segment == 0])
        assert passed <= (PATIENCE_BATCHES + queue + 2 * size + 4) * chain_ns, "it starves"
        if starts_before is not None and patient.entered == 0:
            starts = len([turn for turn in found.turns if turn.segment == 0]) - starts_before
            assert starts <= queue, "every batch takes somebody who was before it"
    check_answers(patient)


def test_the_most_urgent_call_goes_first():
    found = Simulation(max_hold_us=0)
    late, soon = (request_at(found.clock, [0.1] * 8, deadline_ns=ms * MS) for ms in (90, 30))
    without = request_at(found.clock, [0.1] * 8)
    for request in (without, late, soon):
        found.admit(request)
    found.drain()
    order = [turn.chunks[0].request for turn in found.turns if turn.segment == 0]
    assert order == [soon, without, late], "patience ends after 8 batches of 7.2 ms"


def test_a_call_that_cannot_be_answered_in_time_is_refused_at_once():
    found = Simulation()
    first = request_at(found.clock, [0.1], thresholds=(None, None), deadline_ns=found.clock.now_ns + 1 * MS)
    found.admit(first)
    assert not first.over, "nobody else is there: it runs, and times are learnt"
    found.drain()
    check_answers(first)
    found.admit(request_at(found.clock, [0.1] * 8))
    possible = request_at(found.clock, [0.1], deadline_ns=found.clock.now_ns + 1 * MS)
    found.admit(possible)
    assert not possible.over, "it may leave at the first exit, after 1 ms"
    final = request_at(found.clock, [0.1], thresholds=(None, None), deadline_ns=found.clock.now_ns + 2 * MS)
    found.admit(final)
    assert "2 ms left and takes at least 3 ms by itself" in str(final.reply.exception(timeout=0))
    forced = request_at(
        found.clock, [0.1], thresholds=(None, None), max_exit=1, deadline_ns=found.clock.now_ns + 2 * MS
    )
    found.admit(forced)
    assert not forced.over
    found.drain()
    check_answers(possible)


def test_a_call_whose_deadline_passed_while_it_waited_is_refused_before_it_runs():
    found = Simulation(max_hold_us=0)
    first = request_at(found.clock, [2.0] * 8, thresholds=(None, None), deadline_ns=found.clock.now_ns + 9 * MS)
    second = request_at(found.clock, [0.1] * 8, deadline_ns=found.clock.now_ns + 10 * MS)
    found.admit(first)
    found.admit(second)
    found.turn()
    found.clock.now_ns += 10 * MS
    found.drain()
    check_answers(first)
    assert isinstance(second.reply.exception(timeout=0), DeadlineError)
    assert second.entered == 0
    assert found.statistics.snapshot(queued_requests=0).exit_count == (0, 0, 8)


def test_an_idle_engine_that_was_slow_answers_calls_with_little_time_again():
    """Slow times must not keep calls away for ever: only runs correct what was learnt."""
    slow, fast = (simulated_costs(((ms,) * 4,) * 3) for ms in (30.0, 1.0))
    found = Simulation(lane=SimulatedLane(Clock(), costs=fast))
    found.lane.costs = slow
    for _ in range(80):
        found.admit(request_at(found.clock, [0.1] * 8))
        found.drain()
    found.lane.costs = fast
    late = 0
    for _ in range(50):
        pressed = request_at(
            found.clock, [0.1], thresholds=(None, None), deadline_ns=found.clock.now_ns + int(3.5 * MS)
        )
        found.admit(pressed)
        assert not pressed.over
        found.drain()
        check_answers(pressed)
        late += found.answered_ns[pressed] > pressed.deadline_ns
        found.clock.now_ns += 100 * MS
    assert late == 0
    found.admit(request_at(found.clock, [0.1] * 8))
    found.turn()
    pressed = request_at(found.clock, [0.1], thresholds=(None, None), deadline_ns=found.clock.now_ns + 4 * MS)
    found.admit(pressed)
    assert not pressed.over, "the least pace counts also while others are there"
    found.drain()


def test_what_cannot_be_in_time_is_refused_at_the_door_unless_it_is_alone():
    found = Simulation(max_hold_us=0)
    found.admit(request_at(found.clock, [0.1] * 8, max_exit=0))
    found.drain()
    found.admit(request_at(found.clock, [0.1] * 8, max_exit=0, deadline_ns=found.clock.now_ns + 5 * MS))
    pressed = [
        request_at(found.clock, [0.1], thresholds=(None, None), deadline_ns=found.clock.now_ns + 5 * MS + each)
        for each in range(2)
    ]
    for request in pressed:
        found.admit(request)
        assert not request.over
    found.turn()
    found.drain()
    assert isinstance(pressed[0].reply.exception(timeout=0), DeadlineError)
    check_answers(pressed[1])
    assert found.dispatcher._deadlines == 0


def test_what_has_begun_is_finished_after_its_deadline():
    found = Simulation(max_hold_us=0)
    request = request_at(found.clock, [0.1] * 20, deadline_ns=found.clock.now_ns + 8 * MS)
    found.admit(request)
    found.turn()
    assert request.entered == 8
    found.clock.now_ns += 100 * MS
    found.drain()
    check_answers(request)


def test_an_urgent_call_overtakes_rows_that_can_wait():
    found = Simulation()
    slow = request_at(found.clock, [2.0] * 4, thresholds=(None, None))
    found.admit(slow)
    found.turn()
    assert found.lane.waiting == [0, 4, 0]
    urgent = request_at(found.clock, [0.2], thresholds=(0.2, 0.2), deadline_ns=found.clock.now_ns + int(4.2 * MS))
    found.admit(urgent)
    found.turn()
    assert found.lane.runs[-1][0] == 0, "the rows inside wait for it"
    found.drain()
    assert found.answered_ns[urgent] <= urgent.deadline_ns
    check_answers(slow)


def test_a_batch_waits_for_others_as_long_as_was_asked_and_no_longer():
    found = Simulation(max_queue_delay_us=2000)
    found.admit(request_at(found.clock, [0.5]))
    opens = found.turn()
    assert opens == found.clock.now_ns + 2 * MS
    found.clock.now_ns = opens - 1
    assert found.turn() == opens
    found.clock.now_ns = opens
    assert isinstance(found.turn(), Turn)
    found.admit(request_at(found.clock, [0.5] * 8))
    while not found.dispatcher.idle:
        assert isinstance(found.turn(), Turn), "a full batch does not wait"
    pressed = request_at(found.clock, [0.5], deadline_ns=found.clock.now_ns + 4 * MS)
    found.admit(pressed)
    opens = found.turn()
    assert opens <= pressed.deadline_ns - 3 * found.dispatcher.all_turns[0].forecast.pace * MS + 1


def test_a_batch_never_waits_so_long_that_an_answer_must_be_late():
    found = Simulation(max_queue_delay_us=500_000)
    patient = request_at(found.clock, [0.5])
    urgent = request_at(found.clock, [0.5], deadline_ns=found.clock.now_ns + 100 * MS)
    assert found.dispatcher._patience_ns < 100 * MS, "the patient call is the head"
    for request in (patient, urgent):
        found.admit(request)
    opens = found.turn()
    assert found.dispatcher.all_turns[0].door.head().request is patient
    assert opens <= found.clock.now_ns + 50 * MS, "half of its time is left"
    found.clock.now_ns = opens
    found.drain()
    assert found.answered_ns[urgent] <= urgent.deadline_ns - 40 * MS


def test_groups_fill_up_from_several_calls():
    lane = SimulatedLane(Clock(), fold=4)
    found = Simulation(lane=lane, max_queue_delay_us=1000)
    for _ in range(7):
        found.admit(request_at(found.clock, [0.3]))
    opens = found.turn()
    assert opens == found.clock.now_ns + MS, "a group may still fill up"
    found.clock.now_ns = opens
    found.turn()
    assert lane.runs == [(0, 2)], "7 images are 2 groups"


def test_more_samples_than_may_ever_wait_are_refused_as_input():
    found = Simulation(max_queue=10)
    with pytest.raises(InputError, match="got 11 samples, at most 10 may wait"):
        found.admit(request_at(found.clock, [0.5] * 11))
    found.admit(request_at(found.clock, [0.5] * 6))
    with pytest.raises(OverloadError, match="6 samples wait already, 5 more make over 10") as refused:
        found.admit(request_at(found.clock, [0.5] * 5))
    assert refused.value.retry_after_s > 0


def test_cancelled_calls_leave_room_at_once():
    found = Simulation(max_queue=10)
    for _ in range(50):
        request = request_at(found.clock, [0.5] * 10)
        found.admit(request)
        assert request.reply.cancel()
        assert found.dispatcher.withdraw(request)
        assert not found.dispatcher.withdraw(request), "once"
    assert found.dispatcher.queued == 0
    assert len(found.dispatcher.all_turns[0].door._heap) < 3, "nothing piles up"
    assert found.turn() is None
    assert found.lane.runs == []


def test_thresholds_become_faster_under_overload_and_calm_again():
    found = Simulation(max_queue=32, calm_step=2)
    ladder = tuple(Terms(thresholds=(value, value), max_exit=2) for value in (0.1, 0.5, 0.9))
    steps = []

    def admit(count):
        request = request_at(found.clock, [0.5] * count, ladder=ladder)
        found.admit(request)
        return request

    requests = [admit(4)]
    while not found.dispatcher.idle:
        found.turn()
    assert requests[0].step == 2
    for _ in range(20):
        while found.dispatcher.queued <= 28:
            requests.append(admit(4))
        found.turn()
        steps.append(found.dispatcher.overload.step)
    assert steps[0] == 1
    assert steps[-1] == min(steps) == 0
    assert all(abs(a - b) <= 1 for a, b in pairwise(steps)), "step by step"
    found.drain()
    for request in requests:
        assert request.terms == ladder[request.step]
        check_answers(request)
    found.clock.now_ns += 100 * MS
    for _ in range(4):
        requests.append(admit(1))
        found.drain()
        found.clock.now_ns += 100 * MS
    assert requests[-1].step == 2
    assert sum(found.statistics.snapshot().step_samples.values()) == sum(r.count for r in requests)
    assert found.dispatcher.overload.changes == 4


def test_thresholds_become_calm_while_nobody_comes():
    found = Simulation(max_queue=32, calm_step=2)
    for _ in range(20):
        while found.dispatcher.queued <= 28:
            found.admit(request_at(found.clock, [0.5] * 4))
        found.turn()
    assert found.dispatcher.step(found.clock.now_ns) == 0
    found.drain()
    assert found.dispatcher.overload.step < 2
    found.clock.now_ns += 100 * MS
    assert found.dispatcher.step(found.clock.now_ns) == 2
    assert found.dispatcher.overload.changes == 4
    for _ in range(8):
        found.admit(request_at(found.clock, [0.5] * 4))
    found.clock.now_ns += 1
    assert found.dispatcher.step(found.clock.now_ns) == 1, "one step, not those of the time before"


PER_ROW = ((1.0, 2.0, 4.0, 8.0),) * 3
FLAT = ((2.0, 2.05, 2.1, 2.2),) * 3


@pytest.mark.parametrize(
    ("prices", "overhead_ns", "holds", "gain"),
    [(PER_ROW, 0, False, 0.999), (PER_ROW, MS, True, 1.005), (FLAT, 0, True, 1.05)],
)
def test_a_full_door_is_held_back_only_where_merging_pays(prices, overhead_ns, holds, gain):
    """The door is always full. Rows that wait take room from it, so that holding makes first batches smaller."""

    def throughput(hold_us):
        found = Simulation(lane=SimulatedLane(Clock(), costs=simulated_costs(prices)), max_hold_us=hold_us)
        random = np.random.default_rng(3)
        for _ in range(400):
            while found.dispatcher.queued < 16:
                found.admit(request_at(found.clock, random.uniform(0, 9, 1), thresholds=(0.3, 0.3)))
            found.turn()
            found.clock.now_ns += overhead_ns
        return found.statistics.snapshot().samples / found.clock.now_ns, found.dispatcher.all_turns[0].held

    merged, held = throughput(None)
    apart, never = throughput(0)
    assert never == 0
    assert (held > 50) is holds
    assert merged > gain * apart


@dataclass(frozen=True, kw_only=True, eq=False)
class ByHalf(Lanes):
    """Samples below 4.5 go to the first lane, the others to the second."""

    lengths: tuple[int, ...] = (1, 2)

    def share(self, inputs, count):  # noqa: ARG002 - each sample says where it goes
        indices = [np.flatnonzero(inputs["x"] < 4.5), np.flatnonzero(inputs["x"] >= 4.5)]
        return tuple(
            Share(lane=lane, count=len(index), inputs={"x": inputs["x"][index]}, samples=index)
            for lane, index in enumerate(indices)
            if len(index)
        )


@settings(max_examples=30, deadline=None)
@given(
    arrivals=st.lists(
        st.tuples(
            st.integers(0, 4 * MS), st.lists(st.floats(0, 9), min_size=1, max_size=15), st.none() | st.integers(3, 30)
        ),
        min_size=1,
        max_size=15,
    ),
    delay_us=st.sampled_from([0, 1500]),
)
def test_a_call_may_be_spread_over_lanes(arrivals, delay_us):
    clock = Clock()
    lanes = [SimulatedLane(clock), SimulatedLane(clock)]
    found = Simulation(lane=lanes[0], lanes=ByHalf(lanes=tuple(lanes)), max_queue_delay_us=delay_us, max_queue=400)
    requests = []
    for wait_ns, x, deadline_ms in arrivals:
        clock.now_ns += wait_ns
        found.turn()
        deadline_ns = None if deadline_ms is None else clock.now_ns + deadline_ms * MS
        requests.append(request_at(clock, x, deadline_ns=deadline_ns))
        found.admit(requests[-1])
    found.drain()
    for request in requests:
        if request.reply.exception(timeout=0) is None:
            check_answers(request)
        else:
            assert request.entered == 0
    assert found.dispatcher._deadlines == 0
    assert found.dispatcher.queued == 0
