"""Measure plans on the card that is here, and tune thresholds on what they say there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eecalib.agreement import exits_agreement, keeps_bound
from eecalib.expected_cost import expected_batch_ms
from eecalib.record import record_exits
from eecalib.replay import replay
from eecalib.tune_against import tune_against
from eecompile.device_engines.build_plans import Built
from eecompile.device_engines.report import MeasuredConfiguration
from eecompile.device_engines.settings import EnginesSettings
from eecompile.device_engines.tuning_data import TuningData
from eecompile.stages import Stages
from eengines.device import Device
from eengines.errors import EngineError
from eengines.tensors import Array
from eerun.bundle import Bundle, configuration_name
from eerun.costs import CostTable
from eerun.device_executor import DeviceChain, DeviceExecutor
from eerun.device_executor.measure import DeviceSubject, measure_device_costs
from eerun.executor import Chain, ChainSegment
from eerun.random_inputs import random_inputs

__all__ = ["CardMeter"]

SAMPLES = 16
SEED = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class CardMeter:
    """Measures one set of plans after the other.

    Attributes:
        bundle: what they are of.
        device: the card.
        data: to tune with; None: the bundle's own thresholds for the card are taken.
        settings: what the user chose.
        stages: where progress is shown.
    """

    bundle: Bundle
    device: Device
    data: TuningData | None
    settings: EnginesSettings
    stages: Stages

    def measure(self, built: Built) -> MeasuredConfiguration:
        """Measure costs, tune thresholds.

        Raises:
            EngineError: the card refuses a plan, or what it answers differs too often from float32.
        """
        words = f"{built.backend.name} {built.graphs.precision}"
        subject = DeviceSubject(
            engine=built.backend.name,
            precision=built.graphs.precision,
            chain=self._load(built, whole=False),
            whole=self._load(built, whole=True),
        )
        with self.stages.stage(f"measure {words} on {self.device.name}"):
            costs = measure_device_costs(
                subject,
                self._inputs(),
                buckets=built.buckets,
                seconds=self.settings.measure_seconds,
                progress=self.stages.progress,
            )
        return self._tuned(built, subject.chain, costs)

    def _tuned(self, built: Built, chain: DeviceChain, costs: CostTable) -> MeasuredConfiguration:
        """Thresholds for these plans, and what they bring."""
        thresholds, agreement = self.bundle.read_policy(built.graphs.policy).thresholds, built.graphs.agreement
        expected = sum(costs.run_ms(segment, costs.max_batch) for segment in range(costs.segments))
        if self.data is not None:
            with self.stages.stage(f"tune {costs.engine} {costs.precision}"):
                table = record_exits(DeviceExecutor(chain, costs, in_flight=1), self.data.samples, self.stages.progress)
                thresholds = tune_against(
                    table,
                    self.data.reference,
                    costs,
                    max_drop=self.settings.max_drop,
                    agreement=self.settings.agreement,
                    seed=self.bundle.manifest.split_seed,
                    detail=self.stages.detail,
                )
            agreement = self._checked(exits_agreement(table, self.data.reference)[-1], costs)
            reached = replay(table, thresholds).reached
            expected = expected_batch_ms(costs, reached=reached, batch=costs.max_batch)
        return MeasuredConfiguration(
            name=configuration_name(costs.engine, costs.precision, self.device.name),
            costs=costs,
            batch=costs.max_batch * chain.fold,
            thresholds=thresholds,
            tuned=self.data is not None,
            agreement=agreement,
            expected_ms=expected,
            whole_ms=costs.of_whole().run_ms(0, costs.max_batch),
        )

    def _checked(self, agreement: float, costs: CostTable) -> float:
        """Refuse plans whose final exit answers too often otherwise than float32, as a build does on the CPU."""
        if not keeps_bound((agreement,), self.settings.max_quant_drop):
            raise EngineError(
                f"{costs.engine} {costs.precision} on {self.device.name}",
                f"{1 - agreement:.2%} of the answers differ from float32, allowed are "
                f"{self.settings.max_quant_drop:.2%}",
                "Allow more with --max-quant-drop, or use another precision",
            )
        return agreement

    def _load(self, built: Built, *, whole: bool) -> DeviceChain:
        """Put plans on the card."""
        manifest, output = self.bundle.manifest, self.bundle.manifest.whole_output
        images = () if manifest.fold is None else (manifest.fold.factor,)
        heads = [(output, output)] if whole else [(head.logits, head.score) for head in manifest.segments]
        files = (built.graphs.whole,) if whole else built.graphs.segments
        chain = Chain(
            inputs=tuple(replace(entry.spec, shape=(*images, *entry.spec.shape)) for entry in manifest.inputs),
            segments=tuple(
                ChainSegment(graph=self.bundle.read(file), logits=logits, score=score)
                for file, (logits, score) in zip(files, heads, strict=True)
            ),
            fold=manifest.images_a_row,
            group_exit=self.bundle.read_policy(built.graphs.policy).group_exit,
        )
        plans = (built.whole,) if whole else built.segments
        with self.device.use():
            return DeviceChain(chain, [built.backend.load(plan, self.device) for plan in plans], self.device)

    def _inputs(self) -> Mapping[str, Array]:
        """Samples to measure with: real ones where there are data."""
        if self.data is not None:
            return self.data.samples.inputs
        return random_inputs(self.bundle.manifest.inputs, SAMPLES, seed=SEED)
