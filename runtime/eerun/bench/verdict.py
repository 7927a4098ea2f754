"""Whether the exits pay, in plain words."""

from eerun.bench.folding_text import folding_verdict
from eerun.bench.result import BenchResult, Quality
from eerun.bench.settings import Scenario
from eerun.bench.statistics import Estimate, PairedRatio
from eerun.bench.table import share

__all__ = ["pays", "verdict"]


def pays(result: BenchResult) -> bool:
    """Whether the chain is faster than the fastest whole network, with the interval's lower end at 1 or above."""
    return result.whole.speedup.median.low >= 1


def verdict(result: BenchResult) -> list[str]:
    """Return sentences: speed-up, accuracy, hard-input tax, break-even, overhead, rival, and whether exits pay.

    Speed-up, tax and break-even are against the fastest whole network of the run: it is what the user could have
    instead. Overhead is within the chain's own engine and precision.
    """
    lines = [*_speed(result), *_own(result), *_field(result), *_quality(result)]
    lines += [_hard_input(result), _break_even(result), _overhead(result), *_padding(result), *folding_verdict(result)]
    if result.rival is not None:
        rival = result.rival
        lines.append(
            f"{rival.ratio.totals.value:.3g}x the speed of {rival.words} "
            f"({_interval(rival.ratio.totals, 3)}, {rival.samples} samples, {rival.ms_per_sample:.3g} ms each; "
            f"{share(rival.same_label, 1)} answered alike)"
        )
    return [*lines, *_pay(result)]


def _padding(result: BenchResult) -> list[str]:
    """What length buckets bring by themselves; they serve whole networks, too."""
    if result.padding is None:
        return []
    lengths, speedup, whole = result.padding.lengths, result.padding.speedup, result.padding.whole_speedup
    buckets, words = ", ".join(map(str, lengths)), result.baselines[result.padding.whole].words
    return [
        f"Length buckets {buckets}: {speedup.median.value:.2f}x the throughput of the same chain with every sample "
        f"padded to {lengths[-1]} ({_interval(speedup.median)}); the whole networks above have the same buckets",
        f"With exits and length buckets {whole.median.value:.2f}x the throughput of the fastest whole network with "
        f"every sample padded to {lengths[-1]} ({words}; {_interval(whole.median)})",
    ]


def _speed(result: BenchResult) -> list[str]:
    """The headline, in the measure of the scenario."""
    subject, speedup, tail = result.subject, result.whole.speedup, result.whole.tail_speedup
    setting = f"the chain in {subject.engine} {subject.precision}, batch {subject.batch}"
    spread = (
        f"half of the pairs lie between {speedup.first_quartile:.2f}x and {speedup.third_quartile:.2f}x; "
        f"over the total time {speedup.totals.value:.2f}x ({_interval(speedup.totals)})"
    )
    if result.settings.scenario is Scenario.SINGLESTREAM:
        chain, whole = result.chain.latency, result.whole.speed.latency
        return [
            f"90th percentile of latency {chain.percentile_90_ms:.3f} ms, {_fastest(result)} "
            f"{whole.percentile_90_ms:.3f} ms: {tail.value:.2f}x as fast ({_interval(tail)}), {setting}",
            f"{speedup.median.value:.2f}x the throughput of {_form(result)} "
            f"({_interval(speedup.median)}, {_pairs(speedup)}); {spread}",
        ]
    return [
        f"{speedup.median.value:.2f}x the throughput of {_fastest(result)} "
        f"({_interval(speedup.median)}, {_pairs(speedup)}), {setting}",
        f"Spread: {spread}",
    ]


def _fastest(result: BenchResult) -> str:
    """The fastest whole network, by name."""
    tried = len(result.heat_ms)
    if tried == 1:
        return f"the whole network in {result.whole.words}"
    return f"the whole network in its fastest form here ({result.whole.words}, of {tried} tried)"


def _form(result: BenchResult) -> str:
    """The same, after it was named."""
    return "the whole network" if len(result.heat_ms) == 1 else "the fastest whole network"


def _own(result: BenchResult) -> list[str]:
    """The second figure, where the chain's own form is not the fastest: what the exits alone gain."""
    if result.own == result.fastest:
        return []
    own = result.baselines[result.own]
    ratio = own.speedup
    return [
        f"{ratio.median.value:.2f}x the throughput of the whole network in the chain's own form, {own.words} "
        f"({_interval(ratio.median)})"
    ]


def _field(result: BenchResult) -> list[str]:
    """Why there was no other whole network to race."""
    if result.not_tried:
        only = f"Only {result.whole.words} was raced" if len(result.heat_ms) == 1 else "Not raced"
        return [f"* {only}: {'; '.join(result.not_tried)}"]
    if len(result.heat_ms) == 1:
        return [f"* Only {result.whole.words} was raced: the bundle has no other configuration"]
    return []


def _quality(result: BenchResult) -> list[str]:
    quality = result.quality
    form = _form(result)
    agreement = f"agreement with {form} {share(quality.agreement, 2)} of {_of(quality)}"
    if quality.accuracy is None or quality.accuracy_whole is None:
        return [f"No labels, so no accuracy; {agreement}", *_float32(result)]
    points = (quality.accuracy - quality.accuracy_whole) * 100
    words = "Pixel accuracy" if quality.unit == "pixel" else "Accuracy"
    return [
        f"{words} {share(quality.accuracy, 2)}, {form} {share(quality.accuracy_whole, 2)}: "
        f"{points:+.2f} points ({quality.won} {quality.unit}s won, {quality.lost} lost); {agreement}",
        *_mean_iou(quality, form),
        *_float32(result),
    ]


def _of(quality: Quality) -> str:
    """What agreement is a share of."""
    return f"{quality.samples} samples" if quality.unit == "sample" else f"the pixels of {quality.samples} samples"


def _mean_iou(quality: Quality, form: str) -> list[str]:
    """How well the classes of maps are covered, which the large ones do not outvote."""
    if quality.mean_iou is None:
        return []
    return [f"Mean IoU {share(quality.mean_iou, 2)}, {form} {share(quality.mean_iou_whole, 2)}"]


def _float32(result: BenchResult) -> list[str]:
    """Against float32, which accuracy is promised against, where the fastest whole network is something else."""
    quality, float32 = result.quality, result.quality.float32
    if float32 is None or result.whole.precision == "float32":
        return []
    agreement = f"agreement {share(float32.agreement, 2)}"
    if quality.accuracy is None or float32.accuracy is None:
        return [f"Against the float32 final exit: {agreement}"]
    points = (quality.accuracy - float32.accuracy) * 100
    return [f"Against the float32 final exit, {share(float32.accuracy, 2)}: {points:+.2f} points; {agreement}"]


def _hard_input(result: BenchResult) -> str:
    tax = result.hard_input.median
    more = f"{abs(tax.value - 1) * 100:.1f} % {'more' if tax.value >= 1 else 'less'}"
    low, high = (tax.low - 1) * 100, (tax.high - 1) * 100
    return (
        f"Hard-input tax: a batch where nobody leaves early costs {more} than {_form(result)} "
        f"(95 % interval {low:+.1f} % to {high:+.1f} %)"
    )


def _break_even(result: BenchResult) -> str:
    first = result.exits[0]
    if result.break_even_share is None:
        return f"Break-even: none; the chain would cost more even if all samples left at the first exit ({first.name})"
    needed, folding = share(result.break_even_share, 1), result.folding
    who, did = ("samples", first.share) if folding is None else ("groups", folding.left[0])
    return (
        f"Break-even: with {first.name} as the only early exit {needed} of the {who} must leave there for the "
        f"chain to cost as much as {_form(result)}, boundaries not counted; {share(did, 1)} did"
    )


def _overhead(result: BenchResult) -> str:
    oracle = result.oracle.median
    return (
        f"Overhead: {oracle.value:.3f}x the time of the segments by themselves on the same survivors "
        f"({_interval(oracle, 3)})"
    )


def _pay(result: BenchResult) -> list[str]:
    """Say that exits do not pay, and why; or that the tail does not gain."""
    if not pays(result):
        certain = result.whole.speedup.median.high < 1
        clear = "" if certain else ", at least not for certain (the interval reaches below 1)"
        what = "folding with exits does" if result.whole.unfolded else "exits do"
        return [f"* {what} not pay here{clear}: {_why(result)}"]
    if result.settings.scenario is Scenario.SINGLESTREAM and result.whole.tail_speedup.low < 1:
        who, to_the_end = _to_the_end(result)
        return [
            f"* exits pay on average but not at the 90th percentile: {share(to_the_end, 1)} of the {who} run to the end"
        ]
    return []


def _to_the_end(result: BenchResult) -> tuple[str, float]:
    """What leaves a chain, samples or groups of them, and which share of these runs to the final exit."""
    return ("samples", result.exits[-1].share) if result.folding is None else ("groups", result.folding.left[-1])


def _why(result: BenchResult) -> str:
    """Where the time goes: into a slower engine or precision, into the segments, or between them."""
    chain_ms, alone_ms, whole_ms = result.chain.latency.mean_ms, result.oracle_ms, result.whole.speed.latency.mean_ms
    who, to_the_end = _to_the_end(result)
    own = result.baselines[result.own]
    if result.whole.unfolded:
        return (
            f"the chain takes {chain_ms:.3f} ms a batch, the whole network unfolded in {result.whole.engine} "
            f"{result.whole.precision} {whole_ms:.3f} ms"
        )
    if result.own != result.fastest and alone_ms >= whole_ms and chain_ms < own.speed.latency.mean_ms:
        fastest = f"--engine {result.whole.engine} --precision {result.whole.precision}"
        return (
            f"the chain in {own.words} takes {chain_ms:.3f} ms a batch, less than the whole network's "
            f"{own.speed.latency.mean_ms:.3f} ms there, but {result.whole.words} needs {whole_ms:.3f} ms: "
            f"run the chain with {fastest}"
        )
    if alone_ms >= whole_ms:
        return (
            f"{share(1 - to_the_end, 1)} of the {who} leave early, which is too few: for the {who} that go on, the "
            f"segments by themselves take {alone_ms:.3f} ms a batch, {_form(result)} {whole_ms:.3f} ms"
        )
    return (
        f"the segments by themselves take {alone_ms:.3f} ms a batch, less than {_form(result)}'s "
        f"{whole_ms:.3f} ms, but decisions, copies and compaction add {max(chain_ms - alone_ms, 0):.3f} ms"
    )


def _pairs(ratio: PairedRatio) -> str:
    if ratio.batches_per_pair == 1:
        return f"{ratio.pairs} paired batches"
    return f"{ratio.pairs} pairs of {ratio.batches_per_pair} batches"


def _interval(estimate: Estimate, digits: int = 2) -> str:
    return f"95 % interval {estimate.low:.{digits}f}-{estimate.high:.{digits}f}"
