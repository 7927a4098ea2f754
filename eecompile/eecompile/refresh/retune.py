"""Tune the thresholds of every configuration on recent samples, and drop what no longer answers like float32."""

from collections.abc import Mapping
from dataclasses import dataclass

from eecalib.agreement import answers_kept, exits_agreement, keeps_bound
from eecalib.exit_table import ExitTable
from eecalib.record import record_exits
from eecalib.tune_against import tune_against
from eecompile.build.candidates import PORTABLE
from eecompile.build.report import BuildReport, SplitReport
from eecompile.build.tune import split_report
from eecompile.refresh.chance_bound import chance_bound
from eecompile.refresh.new_graphs import NewGraphs
from eecompile.refresh.new_order import by_speed, new_order
from eecompile.refresh.recent_costs import recent_costs, recent_lengths
from eecompile.refresh.report import RefreshedConfiguration
from eecompile.refresh.settings import RefreshSettings
from eecompile.refresh.tune_warnings import tune_warnings
from eecompile.refresh.tuned_for import tuned_for
from eecompile.stages import Stages
from eengines.backends import BACKENDS
from eengines.errors import DataError, EngineError
from eerun.bundle import Bundle, ConfigurationEntry, LengthEntry, OverlaidBundle
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.data import Samples
from eerun.executor import Executor

__all__ = ["Retuned", "retune"]

PORTABLE_KEY = (PORTABLE.engine, PORTABLE.precision)
"""The configuration that others are compared with."""


@dataclass(frozen=True, kw_only=True)
class Retuned:
    """What the bundle runs on the CPU.

    Attributes:
        max_drop: allowed relative drop on *tune*; None: thresholds stay as they were.
        tuned_for: see `RefreshReport`.
        drop_measure: what drops, `accuracy` or `agreement`.
        before: the configuration that the bundle ran, with old heads and thresholds, on *test*; None: it does not
            run here.
        configurations: those that were recorded and stay, in their new order.
        order: names of all that stay, also of those that could not be recorded.
        dropped: name of a configuration -> why it goes.
        left: name of a configuration whose graphs stay -> why it was not recorded; it is left as it is.
        changes: whether graphs or thresholds change, or a configuration goes; else the order is the old one.
        lengths: the bundle's length buckets, with the shares of *tune*.
        costs: of each configuration of the bundle, by name; with length buckets those expected of `lengths`.
    """

    max_drop: float | None
    tuned_for: str | None
    drop_measure: str
    before: SplitReport | None
    configurations: tuple[RefreshedConfiguration, ...]
    order: tuple[str, ...]
    dropped: Mapping[str, str]
    left: Mapping[str, str]
    changes: bool
    lengths: tuple[LengthEntry, ...]
    costs: Mapping[str, CostTable]


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """What the exits of a configuration say, with its new graphs."""

    tune: ExitTable
    test: ExitTable


def retune(
    bundle: Bundle, graphs: NewGraphs, splits: Mapping[str, Samples], settings: RefreshSettings, stages: Stages
) -> Retuned:
    """Record every configuration with its new graphs, and tune it; costs are those that the build measured.

    Costs depend on the graphs, not on the weights in them, so they stay; those of several lengths are put together for
    the recent ones. Old thresholds stay, unless on recent samples they break the allowed drop by more than chance, or
    others save at least `min_gain` of the expected time. Thresholds given by hand, or tuned for a budget, stay, unless
    `settings.max_drop` is given. A configuration goes if more of its answers differ from float32 than the build
    allowed, by more than chance; float32 in ONNX Runtime stays. They are ordered by expected time again, unless the
    build ran another one than the fastest, as its user wanted: that stays in front.

    Args:
        bundle: as it is.
        graphs: what changes.
        splits: recent samples.
        settings: the allowed drop.
        stages: where progress and decisions are shown.

    Raises:
        EngineError: ONNX Runtime refuses the float32 graphs.
    """
    tuner = _Tuner(bundle, graphs, splits, settings, stages)
    entries = [entry for entry in bundle.manifest.configurations if entry.device is None]
    for entry in sorted(entries, key=lambda entry: (entry.engine, entry.precision) != PORTABLE_KEY):
        if entry.name not in graphs.lost:
            tuner.add(entry)
    tuner.warn()
    dropped = {**graphs.lost, **tuner.dropped}
    changes = bool(graphs.files or dropped) or any(w.thresholds != w.thresholds_before for w in tuner.done.values())
    order = tuple(entry.name for entry in entries if entry.name not in dropped)
    if changes:
        expected = {name: way.tune.expected_ms for name, way in tuner.done.items()}
        order = new_order(order, expected, first=None if tuner.by_speed else bundle.manifest.chosen.name)
    return Retuned(
        max_drop=tuner.max_drop,
        tuned_for=tuner.tuned_for,
        drop_measure="agreement" if tuner.agreement else "accuracy",
        before=tuner.before(),
        configurations=tuple(tuner.done[name] for name in order if name in tuner.done),
        order=order,
        dropped=dropped,
        left=tuner.left,
        changes=changes,
        lengths=tuner.lengths,
        costs=tuner.costs,
    )


class _Tuner:
    """Takes configurations one by one; the first is float32, and what the others are compared with."""

    def __init__(
        self,
        bundle: Bundle,
        graphs: NewGraphs,
        splits: Mapping[str, Samples],
        settings: RefreshSettings,
        stages: Stages,
    ) -> None:
        self._bundle, self._graphs, self._splits = bundle, graphs, splits
        self._settings, self._stages = settings, stages
        self._new = OverlaidBundle(path=bundle.path, manifest=bundle.manifest, replaced=graphs.files)
        report = bundle.read_json(bundle.manifest.report, BuildReport)
        unlabelled = any(splits[name].labels is None for name in ("tune", "test"))
        self.max_drop = report.max_drop if settings.max_drop is None else settings.max_drop
        self.tuned_for = tuned_for(bundle) if self.max_drop is None else None
        self.agreement = settings.agreement or unlabelled or report.drop_measure == "agreement"
        self._quant_bound = chance_bound(report.max_quant_drop, len(splits["tune"]))
        self.lengths = recent_lengths(bundle, splits["tune"])
        self.costs = recent_costs(bundle, self.lengths)
        self.by_speed = by_speed(report)
        self._reference: tuple[_Recorded, tuple[float | None, ...]] | None = None
        self._tuned: dict[str, tuple[SplitReport, SplitReport]] = {}
        self.done: dict[str, RefreshedConfiguration] = {}
        self.dropped: dict[str, str] = {}
        self.left: dict[str, str] = {}

    def add(self, entry: ConfigurationEntry) -> None:
        """Record and tune one configuration, or note why it goes or is left."""
        with self._stages.stage(f"record and tune {entry.engine} {entry.precision}"):
            try:
                recorded = self._record(entry)
            except (DataError, EngineError) as error:
                if self._reference is None:
                    raise
                where = self.dropped if self._graphs.segments_of(entry) else self.left
                where[entry.name] = f"{error.where}: {error.problem}"
                return
            reference = recorded if self._reference is None else self._reference[0]
            tuned = self._tune(entry, recorded, reference)
            if self._reference is None:
                self._reference = (recorded, tuned.thresholds)
            kept = answers_kept(recorded.tune, reference.tune, self._reference[1])
        if keeps_bound((tuned.agreement, kept), self._quant_bound):
            self.done[entry.name] = tuned
            return
        self.dropped[entry.name] = (
            f"on recent samples its final exit answers {1 - tuned.agreement:.2%} otherwise than float32, "
            f"{1 - kept:.2%} where they leave; what the build allowed makes {self._quant_bound:.2%} at most"
        )

    def warn(self) -> None:
        """Say what is doubtful about thresholds that were tuned, in the configurations that stay, or why none were."""
        if self.tuned_for is not None:
            self._stages.warn(f"thresholds stay: the bundle was tuned for {self.tuned_for}; --max-drop tunes them")
        if self.max_drop is not None:
            for problem in tune_warnings([(way, *self._tuned[way]) for way in self.done], self.max_drop):
                self._stages.warn(problem)

    def before(self) -> SplitReport | None:
        """What old heads and thresholds of the configuration that the bundle ran do to the recent *test* samples."""
        assert self._reference is not None  # noqa: S101 - float32 was recorded
        entry = self._bundle.manifest.chosen
        with self._stages.stage(f"record {entry.engine} {entry.precision} as it was"):
            try:
                table = record_exits(self._open(self._bundle, entry), self._splits["test"], self._stages.progress)
            except EngineError:
                return None
        thresholds, costs = self._bundle.policy(entry).thresholds, self.costs[entry.name]
        return split_report(table, self._reference[0].test, thresholds, costs)

    def _record(self, entry: ConfigurationEntry) -> _Recorded:
        """Run the recent samples with exits off."""
        executor = self._open(self._new, entry)
        tune, test = (record_exits(executor, self._splits[name], self._stages.progress) for name in ("tune", "test"))
        return _Recorded(tune=tune, test=test)

    @staticmethod
    def _open(bundle: Bundle, entry: ConfigurationEntry) -> Executor:
        if entry.engine not in BACKENDS:
            raise EngineError(entry.name, f"this eerun has no engine {entry.engine!r}", "Update it")
        return HostConfiguration(bundle=bundle, entry=entry, backend=entry.engine).open_chain()

    def _tune(self, entry: ConfigurationEntry, recorded: _Recorded, reference: _Recorded) -> RefreshedConfiguration:
        """Thresholds of one configuration, and what they do."""
        old, costs = self._bundle.policy(entry).thresholds, self.costs[entry.name]
        segments, thresholds = self._graphs.segments_of(entry), old
        if self.max_drop is not None:
            thresholds = tune_against(
                recorded.tune,
                reference.tune,
                costs,
                max_drop=self.max_drop,
                agreement=self.agreement,
                seed=self._settings.train.seed,
                detail=self._stages.detail,
            )
            before = split_report(recorded.tune, reference.tune, old, costs)
            after = split_report(recorded.tune, reference.tune, thresholds, costs)
            if self._still_do(before, after):
                thresholds, after = old, before
            self._tuned[entry.name] = (before, after)
        return RefreshedConfiguration(
            name=entry.name,
            segments=segments,
            thresholds_before=old,
            thresholds=thresholds,
            agreement=exits_agreement(recorded.tune, reference.tune)[-1],
            tune=split_report(recorded.tune, reference.tune, thresholds, costs),
            test=split_report(recorded.test, reference.test, thresholds, costs),
        )

    def _still_do(self, before: SplitReport, after: SplitReport) -> bool:
        """Whether old thresholds miss the allowed drop by chance at most, and new ones save less than `min_gain`."""
        reached, final = before.accuracy, before.accuracy_float32
        if self.agreement or reached is None or final is None:
            reached, final = before.agreement, 1.0
        bound = chance_bound(final * (self.max_drop or 0.0), before.samples)
        keeps = keeps_bound((1 - final + reached,), bound)
        return keeps and after.expected_ms > before.expected_ms * (1 - self._settings.min_gain)
