"""The search ends within 2 % below the greatest load that holds."""

from hypothesis import given
from hypothesis import strategies as st

from eerun.bench.server.search import Search


def search(start: float, capacity: float) -> tuple[float, int]:
    found, probes = Search(start), 0
    while not found.done:
        found.tell(valid=found.qps <= capacity)
        probes += 1
        assert probes < 60
    return found.held, probes


@given(start=st.floats(0.1, 1000), capacity=st.floats(0.1, 1e5))
def test_it_ends_just_below_the_capacity(start: float, capacity: float):
    held, _ = search(start, capacity)
    assert capacity / 1.0201 <= held <= capacity


def test_it_is_quick():
    assert search(32.0, 700.0)[1] <= 13


def test_a_server_that_holds_nothing_ends_it():
    held, probes = search(32.0, 0.0)
    assert held == 0
    assert probes <= 12
