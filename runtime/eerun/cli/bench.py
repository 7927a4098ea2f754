"""`eerun bench`."""

from pathlib import Path
from typing import Annotated

import typer

from eengines.backends import ENGINES
from eerun.bench.settings import Scenario
from eerun.cli.gpu_flags import DeviceExitsFlag, DeviceFlag, InFlightFlag, TrustPlansFlag
from eerun.cli.grouping_flag import FOLDED, GroupingFlag
from eerun.cli.load_flags import (
    BlocksFlag,
    CheckFlag,
    ConnectionsFlag,
    MinQueriesFlag,
    PercentileFlag,
    QpsFlag,
    ServeFlagsFlag,
    SloFlag,
    UrlFlag,
    parse_qps,
)
from eerun.folding.grouping import Grouping

__all__ = ["bench_command"]

RIVAL, FILES = "A further rival", "Files to write"


def bench_command(
    context: typer.Context,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the bundle. Default: the only *.ee in the current folder.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help=".npz file, image folder or package.module:function; its test split is used. "
            "Default: the .npz of the bundle's name beside it."
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(help="Samples a batch. Default: 32; 1 a query with --scenario singlestream and server."),
    ] = None,
    scenario: Annotated[
        Scenario,
        typer.Option(
            help="offline: batches, throughput counts. singlestream: one sample at a time, the 90th percentile of "
            "latency counts. server: queries arrive at --qps on average, and a percentile of latency is promised; "
            "eerun serve is started and driven (MLPerf LoadGen's words)."
        ),
    ] = Scenario.OFFLINE,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Least time to measure, in s. Default: 5, and all test samples are seen anyway; 60 of load for each "
            "server with --scenario server.",
        ),
    ] = None,
    warm_up: Annotated[float, typer.Option(metavar="MS", help="Time to run before measuring, in ms.")] = 200.0,
    engine: Annotated[
        str,
        typer.Option(
            help=f"Backend of the chain: auto, {', '.join(ENGINES)}. Its rival is the whole network in the fastest "
            "engine and precision of the bundle, whichever the chain runs in."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="Precision of the chain's graphs: auto, float32, float16, bfloat16, int8.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Threads of every engine. Default: as many as the process may use cores.")
    ] = None,
    device: DeviceFlag = 0,
    in_flight: InFlightFlag = 2,
    device_exits: DeviceExitsFlag = False,
    trust_plans: TrustPlansFlag = False,
    seed: Annotated[int, typer.Option(help="Seed of the order of samples and of the intervals.")] = 0,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="RIVAL",
            help="torch: eager PyTorch that leaves early, one sample at a time (needs the extra 'compile').",
            rich_help_panel=RIVAL,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Model file for the rival. Default: the file that the bundle was built from, beside the bundle. With "
            "--url the name of the model on that server. Default: the only one.",
            rich_help_panel=RIVAL,
        ),
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(
            help="package.module:function that makes the network of a checkpoint, for the rival.", rich_help_panel=RIVAL
        ),
    ] = None,
    grouping: GroupingFlag = Grouping.ARRIVAL,
    unfolded: Annotated[
        Path | None,
        typer.Option(
            metavar="BUNDLE",
            help="The same network unfolded, which takes turns with the folded one. Default: NAME-unfolded.ee beside a "
            "folded NAME.ee, if it is there.",
            rich_help_panel=FOLDED,
        ),
    ] = None,
    no_unfolded: Annotated[
        bool, typer.Option("--no-unfolded", help="Measure without it.", rich_help_panel=FOLDED)
    ] = False,
    qps: QpsFlag = "auto",
    slo_ms: SloFlag = 50.0,
    percentile: PercentileFlag = 99.0,
    min_queries: MinQueriesFlag = 100,
    blocks: BlocksFlag = 8,
    connections: ConnectionsFlag = 512,
    check: CheckFlag = False,
    serve_flags: ServeFlagsFlag = "",
    url: UrlFlag = None,
    json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write everything that was measured as JSON.", rich_help_panel=FILES),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write ten trials in FoldedCNN's columns; Throughput in samples (images) a second, FLOPs/sec as 2 a "
            "multiply-add.",
            rich_help_panel=FILES,
        ),
    ] = None,
) -> None:
    """Measure the chain with live exits against the fastest whole network: same test samples, in turns.

    Rivals are the network without exit heads in every engine and precision that the bundle has and this machine runs;
    all agree with float32 to the bound of the build. Short heats pick those that come into the run.

    With --scenario server a load generator in a process of its own drives eerun serve over HTTP: the chain, and the
    whole network without exits in the same server and scheduler, in turns.
    """
    from eerun.bench import BenchSettings, csv_table, json_report, run_bench, text_report
    from eerun.bench.server.settings import LoadSettings
    from eerun.cli.load_test import check_flags, run_and_report, split_flags
    from eerun.cli.output_file import check_writable, replace_file
    from eerun.cli.progress import ProgressBar

    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
    check_flags(given, server=scenario is Scenario.SERVER)
    for path, flag in ((json, "--json"), (csv, "--csv")):
        if path is not None:
            check_writable(path, flag=flag)
    if scenario is Scenario.SERVER:
        load = LoadSettings(
            bundle=bundle,
            data=data,
            batch=1 if batch is None else batch,
            duration_s=LoadSettings.duration_s if duration is None else duration,
            warm_up_ms=warm_up,
            engine=engine,
            precision=precision,
            threads=threads,
            seed=seed,
            qps=parse_qps(qps),
            slo_ms=slo_ms,
            percentile=percentile,
            min_queries=min_queries,
            blocks=blocks,
            connections=connections,
            check=check,
            serve_flags=split_flags(serve_flags),
            url=url,
            served=None if model is None else str(model),
        )
        run_and_report(load, json)
        return
    settings = BenchSettings(
        bundle=bundle,
        data=data,
        batch=batch,
        scenario=scenario,
        duration_s=BenchSettings.duration_s if duration is None else duration,
        warm_up_ms=warm_up,
        engine=engine,
        precision=precision,
        threads=threads,
        device=device,
        in_flight=in_flight,
        device_exits=device_exits,
        trust_plans=trust_plans,
        against=against,
        model=model,
        factory=factory,
        grouping=grouping,
        unfolded=unfolded,
        no_unfolded=no_unfolded,
        seed=seed,
    )
    with ProgressBar("measure") as bar:
        result = run_bench(settings, bar.show)
    typer.echo(text_report(result))
    if json is not None:
        with replace_file(json, flag="--json") as file:
            file.write(json_report(result))
    if csv is not None:
        with replace_file(csv, flag="--csv") as file:
            file.write(csv_table(result).encode())
