"""What folding does and brings, as lines of text."""

from eerun.bench.folding import FoldingSummary, UnfoldedSummary
from eerun.bench.result import BenchResult
from eerun.bench.statistics import Estimate, PairedRatio
from eerun.bench.table import aligned, share

__all__ = ["folding_block", "folding_verdict"]

RULES = {
    "all": "a group leaves when all of its images have passed an exit",
    "majority": "a group leaves when more than half of its images have passed an exit",
    "first": "a group leaves when one of its images has passed an exit",
}
GROUPINGS = {"arrival": "neighbours of a batch share a group", "easy": "likely-easy images of a batch share a group"}


def folding_block(result: BenchResult, folding: FoldingSummary) -> list[str]:
    """Return factor, rule and grouping, and where groups leave."""
    shares = {"groups left": folding.left}
    if folding.groupings is not None:
        name, there = folding.groupings.other_than(folding.grouping)
        shares[f"grouping {name}"] = there.left
    shares["at best"] = folding.left_at_best
    rows = [("exit", *shares)]
    rows += [
        (exit_.name, *(share(column[index], 1) for column in shares.values()))
        for index, exit_ in enumerate(result.exits)
    ]
    return [
        "=== Folding ===",
        f"Fold factor {folding.factor}, widths {folding.widths}: {result.subject.batch} images a batch are "
        f"{folding.groups} groups",
        f"Group exit {folding.group_exit}: {RULES[folding.group_exit]}",
        f"Grouping {folding.grouping}: {GROUPINGS[folding.grouping]}",
        *aligned(rows),
        f"At best: images of a batch grouped by the exit that answers them; the segments by themselves would take "
        f"{folding.oracle_ms_at_best:.3f} ms a batch instead of {result.oracle_ms:.3f} ms",
    ]


def folding_verdict(result: BenchResult) -> list[str]:
    """Return the ratios of what is folded to what is not, with accuracies, and whether folding pays."""
    if result.folding is None:
        return []
    unfolded, groupings = result.folding.unfolded, _groupings(result.folding)
    if unfolded is None:
        unknown = "* Whether folding pays is not known: give the bundle of the same network unfolded with --unfolded"
        return [*groupings, unknown]
    whole, folded_whole = result.baselines[unfolded.whole], result.baselines[unfolded.folded_whole]
    here = _accuracy(result.quality.accuracy)
    chain, other = f"folded chain{here}", f"unfolded chain in {unfolded.engine} {unfolded.precision}"
    plain = f"unfolded whole network in {whole.engine} {whole.precision}{_accuracy(whole.accuracy)}"
    folded = f"folded whole network in {folded_whole.words}{_accuracy(folded_whole.accuracy)}"
    return [
        f"Folding, chain by chain: {_ratio(unfolded.chain_by_chain)}: {chain}, {other}{_accuracy(unfolded.accuracy)}; "
        f"agreement {share(unfolded.agreement, 2)}",
        f"Folding, chain by whole: {_ratio(unfolded.chain_by_whole)}: {chain}, {plain}",
        f"Folding, whole by whole: {_ratio(unfolded.whole_by_whole)}: {folded}, {plain}",
        *groupings,
        *_pay(unfolded),
    ]


def _groupings(folding: FoldingSummary) -> list[str]:
    """What it brings to put likely-easy images together; nothing where that was not in the run."""
    found = folding.groupings
    if found is None:
        return []
    easy, arrival = (
        f"{name}{_accuracy(by.accuracy)}" for name, by in (("easy", found.easy), ("arrival", found.arrival))
    )
    return [
        f"Grouping, easy by arrival: {_ratio(found.easy_by_arrival)}: {easy}, {arrival}; "
        f"agreement {share(found.agreement, 2)}"
    ]


def _pay(unfolded: UnfoldedSummary) -> list[str]:
    """Say against what folding does not pay, and against what that is not certain; nothing where it pays."""
    ratios = (("chain", unfolded.chain_by_chain.median), ("whole network", unfolded.chain_by_whole.median))
    slower = [f"the unfolded {name} ({median.value:.2f}x)" for name, median in ratios if median.high < 1]
    open_ = [
        f"the unfolded {name} ({median.value:.2f}x, interval {median.low:.2f}-{median.high:.2f})"
        for name, median in ratios
        if median.low < 1 <= median.high
    ]
    lines = []
    if slower:
        lines.append(
            f"* folding does not pay here: {' and '.join(slower)} against the folded chain: run {unfolded.bundle}"
        )
    if open_:
        against = " and ".join(open_)
        lines.append(f"* it is not certain that folding pays against {against}: the interval reaches below 1")
    return lines


def _ratio(ratio: PairedRatio) -> str:
    median: Estimate = ratio.median
    return f"{median.value:.2f}x the throughput (95 % interval {median.low:.2f}-{median.high:.2f})"


def _accuracy(accuracy: float | None) -> str:
    return "" if accuracy is None else f" (accuracy {share(accuracy, 2)})"
