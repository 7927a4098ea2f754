"""`eerun serve`."""

from typing import TYPE_CHECKING, Annotated

import typer

from eengines.backends import ENGINES
from eengines.errors import UserError
from eerun.cli.gpu_flags import DeviceExitsFlag, DeviceFlag, InFlightFlag, TrustPlansFlag
from eerun.cli.grouping_flag import GroupingFlag
from eerun.folding.grouping import Grouping
from eerun.scheduler.settings import SchedulerSettings
from eerun.serve.settings import LogFormat, ServeSettings, name_bundles

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["serve_command"]

WHERE, QUEUE, LIMITS, WATCH, LOGS = "Addresses", "Queue", "Limits of the server", "Watched samples", "Logs"
MIB = 2**20


def serve_command(
    bundles: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE...",
            help="Folders of bundles; each is served under its name without .ee, or as NAME=PATH says.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen at.", rich_help_panel=WHERE)] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of HTTP; 0 takes a free one.", rich_help_panel=WHERE)] = 8000,
    grpc_port: Annotated[int, typer.Option(help="Port of gRPC; 0 takes a free one.", rich_help_panel=WHERE)] = 8001,
    no_grpc: Annotated[bool, typer.Option("--no-grpc", help="Serve HTTP alone.", rich_help_panel=WHERE)] = False,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            help="A second port with nothing but /metrics. Default: only with everything else.", rich_help_panel=WHERE
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help=f"Backend: auto, {', '.join(ENGINES)}.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="Precision of the graphs: auto, float32, float16, bfloat16, int8.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Threads of the engine. Default: as many as the process may use cores.")
    ] = None,
    max_batch: Annotated[
        int | None,
        typer.Option(help="Most samples that run together. Default: the most that the bundle was built for."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Serve the whole network without exits.")] = False,
    device: DeviceFlag = 0,
    in_flight: InFlightFlag = 2,
    device_exits: DeviceExitsFlag = False,
    trust_plans: TrustPlansFlag = False,
    grouping: GroupingFlag = Grouping.ARRIVAL,
    max_queue_delay_us: Annotated[
        int,
        typer.Option(
            metavar="US",
            help="How long a sample may wait for others to share its first batch, in microseconds.",
            rich_help_panel=QUEUE,
        ),
    ] = 0,
    max_hold_us: Annotated[
        int | None,
        typer.Option(
            metavar="US",
            help="How long a survivor may wait between segments for others, in microseconds; 0: never. Default: as "
            "long as the whole network takes for a full batch.",
            rich_help_panel=QUEUE,
        ),
    ] = None,
    max_queue: Annotated[
        int, typer.Option(help="Samples that may wait; what does not fit gets 503.", rich_help_panel=QUEUE)
    ] = 1024,
    calm_step: Annotated[
        int,
        typer.Option(
            help="Certified thresholds while there is no overload: 0 as built, n the nth slower ones.",
            rich_help_panel=QUEUE,
        ),
    ] = 0,
    max_request_mib: Annotated[
        float, typer.Option(metavar="MIB", help="Largest body, also after it is unpacked.", rich_help_panel=LIMITS)
    ] = 64.0,
    max_held_mib: Annotated[
        float,
        typer.Option(metavar="MIB", help="Most bytes of the bodies of all requests at once.", rich_help_panel=LIMITS),
    ] = 512.0,
    request_timeout_s: Annotated[
        float,
        typer.Option(
            metavar="S",
            help="How long a client may take to send a request or to read an answer.",
            rich_help_panel=LIMITS,
        ),
    ] = 30.0,
    keep_alive_s: Annotated[
        float,
        typer.Option(metavar="S", help="After how long an unused connection is closed.", rich_help_panel=LIMITS),
    ] = 75.0,
    max_connections: Annotated[int, typer.Option(help="Most HTTP connections at once.", rich_help_panel=LIMITS)] = 1024,
    drain_s: Annotated[
        float,
        typer.Option(metavar="S", help="How long to answer what was accepted, after SIGTERM.", rich_help_panel=LIMITS),
    ] = 30.0,
    reload_s: Annotated[
        float,
        typer.Option(
            metavar="S", help="How often to look for new bundles in the folders; 0: never.", rich_help_panel=LIMITS
        ),
    ] = 2.0,
    load_over_network: Annotated[
        bool,
        typer.Option(
            " /--no-load", help="Refuse clients that ask for a model to be loaded again.", rich_help_panel=LIMITS
        ),
    ] = True,
    shadow: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Watch this share of the samples, such as 1%; see `eerun run`.",
            rich_help_panel=WATCH,
        ),
    ] = None,
    shadow_seed: Annotated[int, typer.Option(help="Seed of the choice of watched samples.", rich_help_panel=WATCH)] = 0,
    shadow_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="How often their answers may differ. Default: as the certificate says.",
            rich_help_panel=WATCH,
        ),
    ] = None,
    shadow_confidence: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="1 - the probability of a false alarm, such as 95%. Default: as the certificate says.",
            rich_help_panel=WATCH,
        ),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines of the log on standard error.", rich_help_panel=LOGS)
    ] = LogFormat.TEXT,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="A line for each answer, too.", rich_help_panel=LOGS)
    ] = False,
    otel: Annotated[
        bool,
        typer.Option(
            "--otel",
            help="Make OpenTelemetry spans; OTEL_* variables say where they go (extra 'telemetry').",
            rich_help_panel=LOGS,
        ),
    ] = False,
) -> None:
    """Serve bundles over HTTP and gRPC: the Open Inference Protocol v2, /metrics, and a status page at /.

    SIGTERM or Ctrl-C ends it: what was accepted is answered first.
    """
    from eerun.cli.fraction import parse_fraction

    settings = ServeSettings(
        bundles=name_bundles(bundles),
        host=host,
        port=port,
        grpc_port=None if no_grpc else grpc_port,
        metrics_port=metrics_port,
        engine=engine,
        precision=precision,
        threads=threads,
        device=device,
        in_flight=in_flight,
        device_exits=device_exits,
        trust_plans=trust_plans,
        grouping=grouping,
        max_batch=max_batch,
        whole=whole,
        scheduling=SchedulerSettings(
            max_queue_delay_us=max_queue_delay_us, max_hold_us=max_hold_us, max_queue=max_queue, calm_step=calm_step
        ),
        shadow=None if shadow is None else parse_fraction("--shadow", shadow),
        shadow_seed=shadow_seed,
        shadow_limit=None if shadow_limit is None else parse_fraction("--shadow-limit", shadow_limit),
        shadow_confidence=(
            None if shadow_confidence is None else parse_fraction("--shadow-confidence", shadow_confidence)
        ),
        max_request_bytes=int(max_request_mib * MIB),
        max_held_bytes=int(max_held_mib * MIB),
        request_timeout_s=request_timeout_s,
        keep_alive_s=keep_alive_s,
        max_connections=max_connections,
        drain_s=drain_s,
        reload_s=reload_s,
        load_over_network=load_over_network,
        log_format=log_format,
        log_requests=log_requests,
        otel=otel,
    )
    _server()(settings, say=typer.echo)


def _server() -> "Callable[..., None]":
    """What runs a server."""
    try:
        from eerun.serve.server import run
    except ModuleNotFoundError as error:
        raise UserError(
            "eerun serve", f"needs {error.name}, which is not installed", "Run: pip install 'eecompile[serve]'"
        ) from error
    return run
