"""Build the plans of a set of graphs, or find them in the bundle's cache."""

from dataclasses import dataclass, field
from time import perf_counter

from eecompile.device_engines.card import Card
from eecompile.device_engines.plan_buckets import plan_buckets
from eecompile.device_engines.report import BuiltPlan
from eecompile.device_engines.settings import EnginesSettings
from eecompile.stages import Stages
from eengines.backends import DEVICE_BACKENDS, find_device_backend
from eengines.device_engine import DeviceBackend, Plan, PlanOptions
from eengines.errors import EngineError
from eerun.bundle import Bundle, TargetEntry
from eerun.plans import PlanSource, bundle_cache

__all__ = ["Built", "PlanBuilder", "usable_backends"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Built:
    """The plans of one backend and precision.

    Attributes:
        backend: built them, and loads them.
        graphs: what they were built from.
        buckets: batch sizes in rows, ascending.
        segments: plans of the segments.
        whole: plan of the network without exit heads.
    """

    backend: DeviceBackend
    graphs: TargetEntry
    buckets: tuple[int, ...]
    segments: tuple[Plan, ...]
    whole: Plan


def usable_backends(card: Card, settings: EnginesSettings) -> tuple[tuple[DeviceBackend, ...], tuple[str, ...]]:
    """Return the backends that can build for a card on this machine, and why the others cannot.

    Raises:
        EngineError: none can.
    """
    found, reasons = [], []
    for name in DEVICE_BACKENDS:
        if settings.engine not in ("auto", name):
            continue
        backend = find_device_backend(name, ordinal=settings.device)
        reason = _why_not(backend, card)
        if reason is None:
            found.append(backend)
        else:
            reasons.append(f"{name}: {reason}")
    if not found:
        raise EngineError(
            f"engines for {card.name}", "; ".join(reasons), "Install one of these, or run it where the card is"
        )
    return tuple(found), tuple(reasons)


def _why_not(backend: DeviceBackend, card: Card) -> str | None:
    """Why a backend cannot build for a card here, or not run what it built; None: it can."""
    building = backend.probe_build(card.compute_capability)
    if not building.ok:
        return building.reason
    if card.device is None:
        return None if backend.has_plans else "it has no plans to build ahead"
    running = backend.probe()
    return None if running.ok else running.reason


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanBuilder:
    """Builds plans one after the other; each that is finished stays, so that an interrupted run goes on there.

    Attributes:
        bundle: where graphs come from and plans are kept.
        card: what they are for.
        settings: what the user chose.
        stages: where progress is shown.
        done: what was built so far.
    """

    bundle: Bundle
    card: Card
    settings: EnginesSettings
    stages: Stages
    done: list[BuiltPlan] = field(default_factory=list)

    def build(self, backend: DeviceBackend, graphs: TargetEntry) -> Built:
        """Build or find the plans of segments and whole network.

        Raises:
            UserError: the bundle does not take the buckets that the user chose.
            EngineError: the backend refuses a graph.
        """
        options = PlanOptions(
            buckets=plan_buckets(self.bundle, self.settings),
            compute_capability=self.card.compute_capability,
            workspace_bytes=self.settings.workspace_bytes,
            optimisation_level=self.settings.optimisation_level,
        )
        source = PlanSource(
            backend=backend,
            options=options,
            cache=bundle_cache(self.bundle, max_bytes=self.settings.cache_bytes, trust=self.settings.trust_plans),
            say=self.stages.detail,
            warn=self.stages.warn,
            progress=self.stages.progress,
        )
        words = f"{backend.name} {graphs.precision}"
        segments = [self._one(source, file, f"{words}, segment {index}") for index, file in enumerate(graphs.segments)]
        whole = self._one(source, graphs.whole, f"{words}, whole network")
        return Built(backend=backend, graphs=graphs, buckets=options.buckets, segments=tuple(segments), whole=whole)

    def _one(self, source: PlanSource, file: str, label: str) -> Plan:
        """Build or find one plan, and note what happened."""
        started = perf_counter()
        with self.stages.stage(label):
            plan, outcome = source.fetch(self.bundle.read(file), label=label)
        self.done.append(
            BuiltPlan(
                label=label,
                status=outcome.status,
                reason=outcome.reason,
                plan_bytes=len(plan.content),
                build_s=perf_counter() - started,
                notes=plan.notes,
                not_kept=outcome.not_kept,
            )
        )
        return plan
