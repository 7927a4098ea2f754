"""The least recently used plan leaves first, whoever used it, in this process, another or an earlier one."""

import os
import random
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from zlib_backend import OPTIONS, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache
from eengines.engine_cache.entry_file import encode_front
from eengines.engine_cache.origin import Origin
from eengines.errors import UserError

BACKEND = ZlibBackend()
GRAPHS = [random.Random(number).randbytes(100 + 150 * number) for number in range(8)]
"""They do not compress, so that plans have different sizes."""


def file_bytes(number: int) -> int:
    plan = BACKEND.build(GRAPHS[number], OPTIONS, lambda _: None)
    front = encode_front(f"segment {number}", Origin.of(BACKEND, GRAPHS[number], OPTIONS), plan, USER_KEY)
    return len(front) + len(plan.content)


SIZES = [file_bytes(number) for number in range(len(GRAPHS))]


def fetch(cache: EngineCache, number: int, said: list[str] | None = None):
    say = (said if said is not None else []).append
    return cache.fetch(BACKEND, GRAPHS[number], OPTIONS, label=f"segment {number}", say=say, warn=say)[1]


def kept(folder: Path) -> list[int]:
    """Numbers of the plans, the most recently used first."""
    return [int(entry.label.split()[1]) for entry in EngineCache(folder, max_bytes=0, key=USER_KEY).info().entries]


def test_a_hit_counts_as_use(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=sum(SIZES[:3]), key=USER_KEY)
    for number in (0, 1, 2):
        fetch(cache, number)
    assert fetch(cache, 0).status == "hit"
    cache = EngineCache(tmp_path, max_bytes=SIZES[0] + SIZES[2] + SIZES[3], key=USER_KEY)
    fetch(cache, 3)
    assert kept(tmp_path) == [3, 0, 2], "first in, first out would have lost 0"


def test_plans_of_earlier_processes_count_and_no_more_leave_than_must(tmp_path):
    for number in range(5):
        fetch(EngineCache(tmp_path, max_bytes=10**6, key=USER_KEY), number)
    limit = sum(SIZES[1:6])
    fetch(EngineCache(tmp_path, max_bytes=limit, key=USER_KEY), 5)
    assert kept(tmp_path) == [5, 4, 3, 2, 1]
    assert EngineCache(tmp_path, max_bytes=limit, key=USER_KEY).info().nbytes == limit


def test_the_newest_stays_if_it_is_all_that_fits(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=SIZES[7], key=USER_KEY)
    for number in (0, 1, 7):
        assert fetch(cache, number).not_kept == ""
    assert kept(tmp_path) == [7]


def test_a_plan_larger_than_the_cache_is_used_and_nothing_leaves(tmp_path, said):
    cache = EngineCache(tmp_path, max_bytes=SIZES[7] - 1, key=USER_KEY)
    fetch(cache, 0)
    outcome = fetch(cache, 7, said)
    assert outcome.status == "built"
    assert outcome.not_kept == f"it has {SIZES[7]} bytes, the cache at most {SIZES[7] - 1}"
    assert said[-1] == f"segment 7: the plan is used but not kept: {outcome.not_kept}"
    assert kept(tmp_path) == [0]


def test_a_clock_that_goes_back_does_not_change_the_order(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=sum(SIZES[:3]), key=USER_KEY)
    for number in (0, 1):
        fetch(cache, number)
    ahead = 2**62
    for path in tmp_path.glob("*.plan"):
        os.utime(path, ns=(ahead, ahead))
    fetch(cache, 2)
    fetch(cache, 0)
    assert kept(tmp_path) == [0, 2, 1]


def test_other_files_are_left_alone(tmp_path):
    names = ["notes.txt", "0.plan", f"{'0' * 64}.plan.bak", f"{'G' * 64}.plan", ".0.part"]
    for name in names:
        (tmp_path / name).write_bytes(bytes(10**5))
    fetch(EngineCache(tmp_path, max_bytes=SIZES[1], key=USER_KEY), 1)
    assert EngineCache(tmp_path, max_bytes=0, key=USER_KEY).info().nbytes == SIZES[1]
    assert {path.name for path in tmp_path.iterdir()} >= set(names)


def test_damaged_files_count_and_leave_in_their_turn(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=sum(SIZES[:2]), key=USER_KEY)
    fetch(cache, 0)
    damaged = tmp_path / f"{'0' * 64}.plan"
    damaged.write_bytes(bytes(SIZES[1]))
    os.utime(damaged, ns=(1, 1))
    fetch(cache, 1)
    assert kept(tmp_path) == [1, 0]


def test_what_cannot_be_removed_does_not_drive_out_the_newest(tmp_path):
    obstacle = tmp_path / f"{'0' * 64}.plan"
    obstacle.mkdir()
    (obstacle / "file").touch()
    os.utime(obstacle, ns=(1, 1))
    assert obstacle.stat().st_size > 0
    cache = EngineCache(tmp_path, max_bytes=SIZES[6], key=USER_KEY)
    assert fetch(cache, 6).not_kept == ""
    assert fetch(cache, 6).status == "hit"


def test_no_room_at_all(tmp_path):
    cache = EngineCache(tmp_path, max_bytes=0, key=USER_KEY)
    assert fetch(cache, 0).not_kept
    assert kept(tmp_path) == []
    with pytest.raises(UserError, match="got -1, expected 0 or more"):
        EngineCache(tmp_path, max_bytes=-1, key=USER_KEY)


class LeastRecentlyUsed(RuleBasedStateMachine):
    """Two caches on one folder, each now and then made anew, against an ordered dictionary."""

    @initialize(limit=st.integers(0, sum(SIZES)))
    def start(self, limit):
        self.temporary = TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "cache"
        self.limit = limit
        self.caches = [self.new(), self.new()]
        self.model = OrderedDict()

    def new(self) -> EngineCache:
        return EngineCache(self.folder, max_bytes=self.limit, key=USER_KEY)

    @rule(number=st.integers(0, len(GRAPHS) - 1), which=st.integers(0, 1))
    def fetch(self, number, which):
        outcome = fetch(self.caches[which], number)
        assert outcome.status == ("hit" if number in self.model else "built")
        if number in self.model:
            self.model.move_to_end(number)
        elif SIZES[number] <= self.limit:
            self.model[number] = SIZES[number]
            while sum(self.model.values()) > self.limit:
                self.model.popitem(last=False)

    @rule(which=st.integers(0, 1))
    def restart(self, which):
        self.caches[which] = self.new()

    @rule(data=st.data())
    def damage(self, data):
        if self.model:
            number = data.draw(st.sampled_from(list(self.model)))
            path = self.folder / f"{Origin.of(BACKEND, GRAPHS[number], OPTIONS).key}.plan"
            used = path.stat().st_mtime_ns
            path.write_bytes(bytes(SIZES[number]))
            os.utime(path, ns=(used, used))
            assert fetch(self.caches[0], number).status == "rebuilt"
            self.model.move_to_end(number)

    @invariant()
    def same_as_the_model(self):
        if hasattr(self, "model"):
            assert kept(self.folder) == list(reversed(self.model))
            assert self.new().info().nbytes == sum(self.model.values()) <= self.limit

    def teardown(self):
        if hasattr(self, "temporary"):
            self.temporary.cleanup()


LeastRecentlyUsed.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_least_recently_used = LeastRecentlyUsed.TestCase
