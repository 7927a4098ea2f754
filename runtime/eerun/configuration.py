"""One way to run a bundle: an engine, and graphs of one precision."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from itertools import zip_longest

from eengines.backends import load_backend
from eengines.tensors import TensorSpec
from eerun.bundle import LENGTH, Bundle, ConfigurationEntry, PolicyFile
from eerun.costs import CostTable
from eerun.executor import (
    Chain,
    ChainSegment,
    Executor,
    HostExecutor,
    HostWhole,
    LengthExecutor,
    LengthWhole,
    LoadedChain,
    Skipping,
    WholeExecutor,
    load_chain,
)

__all__ = ["Configuration", "HostConfiguration"]


@dataclass(frozen=True, kw_only=True)
class Configuration(ABC):
    """One way to run a bundle here.

    Attributes:
        bundle: the bundle.
        entry: graphs, costs and policy.
    """

    bundle: Bundle
    entry: ConfigurationEntry

    @property
    @abstractmethod
    def engine(self) -> str:
        """Name of the backend that runs it: it may be one that the build did not measure."""

    @property
    def name(self) -> str:
        """`ENGINE-PRECISION`, as it runs here."""
        return f"{self.engine}-{self.entry.precision}"

    @property
    def words(self) -> str:
        """`ENGINE PRECISION`, for people."""
        return f"{self.engine} {self.entry.precision}"

    def chain(self, length: int | None = None) -> Chain:
        """The segments, with inputs of a sequence length; None: the greatest, or there is no such axis."""
        heads = [self.bundle.read(file) for file in self.entry.heads]
        return Chain(
            inputs=self.row_specs(length),
            segments=tuple(
                ChainSegment(graph=self.bundle.read(file), logits=exit_.logits, score=exit_.score, head=head)
                for file, exit_, head in zip_longest(self.entry.segments, self.bundle.manifest.segments, heads)
            ),
            skipping=self._skipping(),
            fold=self.bundle.manifest.images_a_row,
            group_exit=self.policy().group_exit,
        )

    def row_specs(self, length: int | None = None) -> tuple[TensorSpec, ...]:
        """The inputs as a row of the graphs takes them."""
        manifest = self.bundle.manifest
        images = () if manifest.fold is None else (manifest.fold.factor,)
        specs = (entry.spec_at(length) for entry in manifest.inputs)
        return tuple(replace(spec, shape=(*images, *spec.shape)) for spec in specs)

    def _skipping(self) -> Skipping | None:
        """How the policy skips exits, where heads are graphs of their own."""
        policy = self.policy().make() if self.entry.heads else None
        if policy is None or policy.skips_by is None:
            return None
        state = tuple(spec.name for spec in policy.state)
        return Skipping(due=policy.skips_by, first_exit=policy.first_exit, state=state)

    def whole(self, length: int | None = None) -> Chain:
        """The network without exit heads, as a chain of one; its output stands in for the score, which nobody reads.

        The length is that of `chain`.
        """
        manifest = self.bundle.manifest
        return Chain(
            inputs=self.row_specs(length),
            segments=(
                ChainSegment(
                    graph=self.bundle.read(self.entry.whole), logits=manifest.whole_output, score=manifest.whole_output
                ),
            ),
            fold=manifest.images_a_row,
        )

    def costs(self) -> CostTable:
        """Measured milliseconds of the segments."""
        return self.bundle.costs(self.entry)

    def length_costs(self) -> dict[int, CostTable]:
        """The same at each sequence length, ascending; none without a sequence axis."""
        return self.bundle.length_costs(self.entry)

    def policy(self) -> PolicyFile:
        """The policy, with thresholds tuned on these graphs."""
        return self.bundle.policy(self.entry)

    @abstractmethod
    def open_chain(self, *, threads: int | None = None) -> Executor:
        """Make the chain ready to run.

        Args:
            threads: of engines on the CPU; None: as many as they have already, or one a core.

        Raises:
            BundleError: a file is damaged, or the segments do not fit together.
            EngineError: the engine refuses a segment.
        """

    @abstractmethod
    def open_whole(self, *, threads: int | None = None) -> WholeExecutor:
        """Make the network without exit heads ready to run; see `open_chain`."""


@dataclass(frozen=True, kw_only=True)
class HostConfiguration(Configuration):
    """One that runs on the CPU, in the engine called `backend`."""

    backend: str

    @property
    def engine(self) -> str:
        """Name of the backend."""
        return self.backend

    def load(self, chain: Chain, *, threads: int | None = None, length: int | None = None) -> LoadedChain:
        """Load graphs of this configuration, without the executor; `length` is that of the chain's inputs."""
        sizes = {} if length is None else {LENGTH: length}
        return load_chain(chain, load_backend(self.backend), threads=threads, sizes=sizes)

    def open_chain(self, *, threads: int | None = None) -> Executor:
        """See `Configuration.open_chain`."""
        tables = self.length_costs()
        if not tables:
            return HostExecutor(self.load(self.chain(), threads=threads), self.costs())
        executors = {
            length: HostExecutor(self.load(self.chain(length), threads=threads, length=length), costs)
            for length, costs in tables.items()
        }
        return LengthExecutor(executors, self.bundle.manifest.inputs)

    def open_whole(self, *, threads: int | None = None) -> WholeExecutor:
        """See `Configuration.open_whole`."""
        tables = self.length_costs()
        if not tables:
            return self._whole(self.costs(), threads=threads, length=None)
        wholes = {length: self._whole(costs, threads=threads, length=length) for length, costs in tables.items()}
        return LengthWhole(wholes, self.bundle.manifest.inputs)

    def _whole(self, costs: CostTable, *, threads: int | None, length: int | None) -> HostWhole:
        loaded = self.load(self.whole(length), threads=threads, length=length)
        return HostWhole(loaded, costs.of_whole(), output=self.bundle.manifest.whole_output)
