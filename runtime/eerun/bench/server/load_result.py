"""What a load test found out: printed, and written by `--json`."""

from dataclasses import dataclass, field

from eerun.bench.environment import Environment
from eerun.bench.server.expected import Checked
from eerun.bench.server.server_counts import SegmentCounts
from eerun.bench.server.settings import LoadSettings
from eerun.bench.statistics import Estimate

__all__ = ["BlockSummary", "Constraints", "Generator", "LoadResult", "LoadSummary", "Probe", "QueryLatency"]


@dataclass(frozen=True, kw_only=True)
class QueryLatency:
    """Milliseconds from the time on the schedule to the complete answer.

    A query without an answer is slower than all others: a percentile among these is None.

    Attributes:
        min_ms: of the answered ones; None: there are none.
        max_ms: likewise.
        mean_ms: likewise.
        percentiles_ms: percentile -> milliseconds.
    """

    min_ms: float | None
    max_ms: float | None
    mean_ms: float | None
    percentiles_ms: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What makes a run VALID, in LoadGen's words.

    Attributes:
        performance: the promised percentile of latency was kept.
        min_duration: the load lasted as long as asked for.
        min_queries: there were as many queries as asked for.
        reasons: why not; empty: the run is VALID.
    """

    performance: bool
    min_duration: bool
    min_queries: bool
    reasons: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether all hold."""
        return self.performance and self.min_duration and self.min_queries


@dataclass(frozen=True, kw_only=True)
class Generator:
    """How well the load generator did its own work.

    Attributes:
        late: queries that were sent more than `LATE_MS` after their time.
        late_ms: percentile -> milliseconds behind the schedule when a query was sent.
        waited: queries that found every connection busy and the bound reached.
        connections: the most connections that were open at the end of a block.
        opened: connections that were opened while load ran.
        cpu_us: its CPU time a query, in microseconds.
    """

    late: int
    late_ms: dict[str, float]
    waited: int
    connections: int
    opened: int
    cpu_us: float


@dataclass(frozen=True, kw_only=True)
class BlockSummary:
    """One block of one server.

    Attributes:
        queries: queries that count.
        seconds: how long they lasted on the schedule.
        within_slo: those that were answered within the promised latency.
        goodput_qps: these a second.
    """

    queries: int
    seconds: float
    within_slo: int
    goodput_qps: float


@dataclass(frozen=True, kw_only=True)
class LoadSummary:
    """One server under load.

    Attributes:
        server: what it is: the line that it printed, or its address.
        model: name of the model there.
        qps: queries a second that were asked for.
        queries: queries that count.
        samples_a_query: samples of each.
        seconds: Σ of the blocks on the schedule, by which all rates are divided.
        scheduled_qps: queries a second.
        completed_qps: those a second that were answered before a block's load was over, or at most the promised latency
            later; what piled up and was answered after that is not counted. LoadGen divides by its own time up to the
            last answer instead.
        within_slo: queries that were answered within the promised latency.
        goodput_qps: these a second; `goodput_qps <= completed_qps <= scheduled_qps`.
        answered: queries that were answered.
        refused: queries that were refused (503 and 504), by status.
        failed: queries with another status, whose connection was lost or who were never answered, by kind.
        latency: see `QueryLatency`.
        constraints: VALID or not.
        generator: the load generator itself.
        exits: share of the samples at each exit, as the server counts; empty: it does not tell.
        segments: what each segment did; empty likewise.
        queue_ms: mean milliseconds that a request waited for its first segment; None likewise.
        compute_ms: mean milliseconds from there to its last answer.
        server_cpu_ms: CPU milliseconds of its process a query; None: it is not ours.
        checked: comparison with `Model.infer`; None: nobody compared.
        blocks: its blocks, in their order.
    """

    server: str
    model: str
    qps: float
    queries: int
    samples_a_query: int
    seconds: float
    scheduled_qps: float
    completed_qps: float
    within_slo: int
    goodput_qps: float
    answered: int
    refused: dict[str, int]
    failed: dict[str, int]
    latency: QueryLatency
    constraints: Constraints
    generator: Generator
    exits: dict[str, float]
    segments: tuple[SegmentCounts, ...]
    queue_ms: float | None
    compute_ms: float | None
    server_cpu_ms: float | None
    checked: Checked | None
    blocks: tuple[BlockSummary, ...]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A short run of the search for the greatest load.

    Attributes:
        server: whose.
        qps: queries a second.
        within_slo: share of the queries that was answered in time.
        valid: whether that is as much as was promised.
    """

    server: str
    qps: float
    within_slo: float
    valid: bool


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """Everything that a load test measured.

    Attributes:
        format: format and version of this record.
        environment: machine, versions, command and date.
        settings: what the user chose; of files and folders the names only.
        servers: by name: `chain` and `whole`, or `server` of `--url`.
        goodput_ratio: goodput of the chain by goodput of the whole network, with the 95 % interval over blocks; None:
            one server alone, or no goodput.
        probes: the search of `--qps auto`, in its order.
        warnings: what the user should know.
    """

    format: str
    environment: Environment
    settings: LoadSettings
    servers: dict[str, LoadSummary]
    goodput_ratio: Estimate | None
    probes: tuple[Probe, ...] = ()
    warnings: tuple[str, ...] = field(default=())
