"""Give one configuration of a bundle the policy that was chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from eecalib.tuning import Candidate, evaluate
from eecompile.tune.try_policies import TriedPolicy
from eecompile.tune.variant import ExitGraphs, Shape, make_graphs
from eerun.bundle import Bundle, ConfigurationEntry, PolicyFile
from eerun.configuration import HostConfiguration
from eerun.costs import CostTable
from eerun.policies import parameters_of

__all__ = ["TunedConfiguration", "tuned_configuration"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TunedConfiguration:
    """A configuration as it will be.

    Attributes:
        entry: of the manifest.
        policy: with thresholds.
        graphs: with its score.
        costs: measured in this shape.
        tried: what was found for it.
        measured: whether costs are new: the graphs have another shape.
        files: what it adds or replaces, by path: graphs as bytes, all else as JSON.
    """

    entry: ConfigurationEntry
    policy: PolicyFile
    graphs: ExitGraphs
    costs: CostTable
    tried: TriedPolicy
    measured: bool
    files: Mapping[str, object]

    @property
    def full_batch_ms(self) -> float:
        """Expected milliseconds of a full batch on *tune*."""
        data = self.tried.bench.data("tune", batch=self.costs.max_batch)
        return evaluate(self.candidate, data).expected_ms

    @property
    def candidate(self) -> Candidate:
        """Policy and thresholds."""
        return replace(self.tried.tried.candidate, thresholds=self.policy.thresholds)


def tuned_configuration(
    bundle: Bundle, way: HostConfiguration, shape: Shape, tried: TriedPolicy, costs: CostTable, *, measured: bool
) -> TunedConfiguration:
    """Return a configuration with another policy, and in another shape.

    Args:
        bundle: as it is.
        way: the configuration as it is.
        shape: the exits that stay.
        tried: what was found for it.
        costs: in this shape.
        measured: whether they are new.

    Raises:
        BuildError: the graphs cannot be changed.
    """
    entry, candidate = way.entry, tried.tried.candidate
    graphs = make_graphs(bundle, entry.segments, entry.heads, shape, candidate.policy)
    heads = tuple(f"{file.rpartition('/')[0]}/head-{index}.onnx" for index, file in enumerate(entry.segments[:-1]))
    segments = entry.segments[: len(graphs.segments)]
    new = replace(entry, segments=segments, heads=heads[: len(graphs.heads)])
    policy = PolicyFile(
        policy=candidate.policy.name,
        thresholds=candidate.thresholds,
        parameters=parameters_of(candidate.policy),
        group_exit=tried.bench.rule,
    )
    files: dict[str, object] = dict(zip((*segments, *new.heads), (*graphs.segments, *graphs.heads), strict=True))
    files[entry.policy] = policy
    if measured:
        files[entry.costs] = costs
    return TunedConfiguration(
        entry=new, policy=policy, graphs=graphs, costs=costs, tried=tried, measured=measured, files=files
    )
