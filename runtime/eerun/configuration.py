"""One way to run a bundle: an engine, and graphs of one precision."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from eengines.backends import load_backend
from eerun.bundle import Bundle, ConfigurationEntry, PolicyFile
from eerun.costs import CostTable
from eerun.executor import (
    Chain,
    ChainSegment,
    Executor,
    HostExecutor,
    HostWhole,
    LoadedChain,
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

    def chain(self) -> Chain:
        """The segments."""
        heads = zip(self.entry.segments, self.bundle.manifest.segments, strict=True)
        return Chain(
            inputs=tuple(entry.spec for entry in self.bundle.manifest.inputs),
            segments=tuple(
                ChainSegment(graph=self.bundle.read(file), logits=head.logits, score=head.score) for file, head in heads
            ),
        )

    def whole(self) -> Chain:
        """The network without exit heads, as a chain of one; its output stands in for the score, which nobody reads."""
        manifest = self.bundle.manifest
        return Chain(
            inputs=tuple(entry.spec for entry in manifest.inputs),
            segments=(
                ChainSegment(
                    graph=self.bundle.read(self.entry.whole), logits=manifest.whole_output, score=manifest.whole_output
                ),
            ),
        )

    def costs(self) -> CostTable:
        """Measured milliseconds of the segments."""
        return self.bundle.costs(self.entry)

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

    def load(self, chain: Chain, *, threads: int | None = None) -> LoadedChain:
        """Load graphs of this configuration, without the executor."""
        return load_chain(chain, load_backend(self.backend), threads=threads)

    def open_chain(self, *, threads: int | None = None) -> Executor:
        """See `Configuration.open_chain`."""
        return HostExecutor(self.load(self.chain(), threads=threads), self.costs())

    def open_whole(self, *, threads: int | None = None) -> WholeExecutor:
        """See `Configuration.open_whole`."""
        loaded = self.load(self.whole(), threads=threads)
        return HostWhole(loaded, self.costs().of_whole(), output=self.bundle.manifest.whole_output)
