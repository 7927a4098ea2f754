"""Calls that wait at the door of a lane, the most urgent first."""

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush

from eerun.scheduler.lanes.lane import Chunk
from eerun.scheduler.lanes.share import Share
from eerun.scheduler.request import Request

__all__ = ["DoorQueue", "Waiting"]

SCAN = 256
"""How many calls with other terms are passed over at most to fill a batch of a lane that does not mix them."""


class Waiting:
    """Samples of one call that wait for one lane.

    Attributes:
        request: the call.
        share: its samples of this lane; None: all of the call's are.
        lane: number of the lane.
        key_ns: the earlier of its deadline and the latest time at which it goes before everybody who comes later.
        left: how many have not entered.
    """

    __slots__ = ("key_ns", "lane", "left", "request", "share")

    def __init__(self, request: Request, share: Share | None, *, patience_ns: int) -> None:
        self.request, self.share = request, share
        self.lane = 0 if share is None else share.lane
        self.left = request.count if share is None else share.count
        latest = request.accepted_ns + patience_ns
        self.key_ns = latest if request.deadline_ns is None else min(latest, request.deadline_ns)

    def enter(self, count: int) -> Chunk:
        """Let the next samples enter."""
        start = (self.request.count if self.share is None else self.share.count) - self.left
        self.left -= count
        return Chunk(request=self.request, start=start, count=count, share=self.share)


class DoorQueue:
    """The calls that wait for a lane in order of their keys: earliest deadline first.

    A call goes before all that come after its key, whatever their deadlines, because theirs are later. So nobody waits
    longer than its patience and the samples that may be before it in a full queue.

    Attributes:
        samples: how many wait.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._heap: list[tuple[int, int, Waiting]] = []
        self._arrivals: deque[Waiting] = deque()
        self._pushed = self._dropped = 0

    def push(self, waiting: Waiting) -> None:
        """Let samples wait."""
        self._pushed += 1
        heappush(self._heap, (waiting.key_ns, self._pushed, waiting))
        self._arrivals.append(waiting)
        self.samples += waiting.left
        if len(self._arrivals) > 2 * len(self._heap) + 16:
            self._arrivals = deque(each for each in self._arrivals if each.left)

    def drop(self, waiting: Waiting) -> None:
        """Forget samples that wait here."""
        if not waiting.left:
            return
        self.samples -= waiting.left
        waiting.left = 0
        self._dropped += 1
        if 2 * self._dropped > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].left]
            heapify(self._heap)
            self._dropped = 0

    def head(self) -> Waiting | None:
        """The most urgent; None: nobody waits."""
        while self._heap and not self._heap[0][2].left:
            heappop(self._heap)
            self._dropped -= 1
        return self._heap[0][2] if self._heap else None

    @property
    def oldest_ns(self) -> int | None:
        """When the one came who has waited longest; None: nobody waits."""
        arrivals = self._arrivals
        while arrivals and not arrivals[0].left:
            arrivals.popleft()
        return arrivals[0].request.accepted_ns if arrivals else None

    def latest_start_ns(self, needed_ns: int) -> int | None:
        """When a batch must start at the latest that takes so long; None: nobody has a deadline.

        Nobody waits for others longer than half of the time that is left to him when he comes beside that of the batch:
        times are expected, not promised.
        """
        starts = None
        for _, _, waiting in self._heap:
            request = waiting.request
            if waiting.left and request.deadline_ns is not None:
                spare_ns = max(request.deadline_ns - request.accepted_ns - needed_ns, 0)
                start_ns = request.accepted_ns + spare_ns // 2
                starts = start_ns if starts is None else min(starts, start_ns)
        return starts

    def requests(self) -> list[Request]:
        """The calls that wait, in no order."""
        return [entry[2].request for entry in self._heap if entry[2].left]

    def take(self, samples: int, *, mixes: bool, may_enter: Callable[[Request], bool]) -> list[Chunk]:
        """Let at most so many samples enter.

        Args:
            samples: how many at most.
            mixes: whether calls with different terms may enter together.
            may_enter: is asked of each call none of whose samples has entered; those that may not are dropped.
        """
        chunks, passed = list[Chunk](), list[tuple[int, int, Waiting]]()
        while samples and len(passed) < SCAN and (waiting := self.head()) is not None:
            request = waiting.request
            if not request.begun and not may_enter(request):
                self.drop(waiting)
                continue
            if not mixes and chunks and request.terms != chunks[0].request.terms:
                passed.append(heappop(self._heap))
                continue
            if not request.begun and not request.reply.begin():
                self.drop(waiting)
                continue
            request.begun = True
            chunk = waiting.enter(min(waiting.left, samples))
            if not waiting.left:
                heappop(self._heap)
            chunks.append(chunk)
            request.entered += chunk.count
            samples -= chunk.count
            self.samples -= chunk.count
        for entry in passed:
            heappush(self._heap, entry)
        return chunks
