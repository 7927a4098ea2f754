"""Which sets of exits are built: an exact search where exits are few, PAME's picks where they are many."""

from dataclasses import replace

from calib.synthetic_traces import synthetic_data
from silent_stages import SilentStages

from eecalib.exit_choice.bpm import exit_times
from eecalib.exit_choice.greedy import greedy_picks
from eecalib.exit_choice.subsets import MOST_EXITS
from eecalib.trace import Recording, SplitRecording
from eecompile.tune import drop_exits
from eecompile.tune.drop_exits import exit_sets
from eecompile.tune.settings import TuneSettings
from eecompile.tune.try_policies import Bench
from eecompile.tune.variant import Shape
from eerun.policies import MaxProbabilityPolicy

SETTINGS = TuneSettings(max_drop=0.04)
SETS = 3


class Told(SilentStages):
    """Keeps the details."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def detail(self, text: str) -> None:
        self.details.append(text)


def bench_of(exits: int) -> Bench:
    data = synthetic_data(200, exits=exits, classes=4, seed=1)
    split = SplitRecording(trace=data.trace, float32=data.trace.logits[:, -1].argmax(axis=1), sha256="0" * 64)
    names = tuple(f"exit_{index}" for index in range(exits))
    return Bench(
        recording=Recording(
            source_sha256="0" * 64,
            configuration="any",
            graphs_sha256="0" * 64,
            engine_version="1.0",
            exits=names,
            splits={"tune": split},
        ),
        shape=Shape(kept=tuple(range(exits - 1))),
        costs=data.costs,
        macs=None,
        names=names,
        batch=8,
        whole=data.costs.of_whole(),
        seed=0,
    )


def test_many_exits_are_picked_one_after_the_other(monkeypatch):
    monkeypatch.setattr(drop_exits, "cheapest_sets", None)
    bench = bench_of(MOST_EXITS + 2)
    found = exit_sets(bench, (), SETTINGS, Told(), most=SETS)
    picks = greedy_picks(MaxProbabilityPolicy(), bench.data("tune"), 0.02, max_tail_ms=None)
    assert 0 < len(found) <= SETS
    assert all(kept and set(kept) <= set(picks) for kept in found)


def test_few_exits_are_searched_exactly(monkeypatch):
    monkeypatch.setattr(drop_exits, "greedy_sets", None)
    told = Told()
    found = exit_sets(bench_of(5), (), SETTINGS, told, most=SETS)
    assert len(set(found)) == len(found) == SETS
    assert () not in found
    costs = [float(text.split("expected ")[1].split(" ms")[0]) for text in told.details if "expected" in text]
    assert costs == sorted(costs)


def test_the_critical_ratio_of_each_exit_is_told():
    """An exit costs a ninth of the whole network: with many that move on a batch takes longer."""
    bench, told = bench_of(4), Told()
    costs = replace(bench.costs, whole_ms=tuple(0.75 * ms for ms in bench.costs.whole_ms))
    dear = replace(bench, costs=costs, whole=costs.of_whole())
    exit_sets(dear, (), SETTINGS, told, most=1)
    ratios = exit_times(costs, batch=8).critical_ratio(dear.whole_ms)
    assert (ratios < 1).all()
    assert told.details[:3] == [
        f"exit_{index} alone: a batch takes longer than {dear.whole_ms:.2f} ms if more than {ratio:.0%} of it move on"
        for index, ratio in enumerate(ratios)
    ]
    relaxed = Told()
    exit_sets(dear, (), replace(SETTINGS, max_tail=0.5), relaxed, most=1)
    assert not any("alone" in text for text in relaxed.details)
