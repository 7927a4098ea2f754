"""`eerun run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eengines.backends import ENGINES
from eerun.cli.gpu_flags import DeviceExitsFlag, DeviceFlag, InFlightFlag, TrustPlansFlag
from eerun.cli.grouping_flag import GroupingFlag
from eerun.folding.grouping import Grouping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eengines.tensors import Array
    from eerun.cli.answer_data import Effort
    from eerun.data import Samples
    from eerun.model import Model

__all__ = ["run_command"]


def run_command(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help=".npz to write: labels int64, exit_index int32, confidence float32, outputs float32, and y if the "
            "data have labels. Of maps labels in the smallest integer type, and no outputs.",
        ),
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the bundle. Default: the only *.ee in the current folder.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help=".npz file, image folder or package.module:function. Default: the .npz of the bundle's name beside it."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which samples: a set that the data name, or train, calib, tune, certify or test as the build cuts "
            "them. Default: all of unsplit data, else test.",
        ),
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples a batch.")] = 32,
    engine: Annotated[str, typer.Option(help=f"Backend: auto, {', '.join(ENGINES)}.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="Precision of the graphs: auto, float32, float16, bfloat16, int8.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(help="Threads of the engine. Default: as many as the process may use cores.")
    ] = None,
    device: DeviceFlag = 0,
    in_flight: InFlightFlag = 2,
    device_exits: DeviceExitsFlag = False,
    trust_plans: TrustPlansFlag = False,
    grouping: GroupingFlag = Grouping.ARRIVAL,
    shadow: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Watch this share of the samples, such as 1%: they also run to the final exit, and where its answers "
            "differ too often, thresholds fall back to slower ones, at last to no exits. On the CPU only.",
        ),
    ] = None,
    shadow_seed: Annotated[int, typer.Option(help="Seed of the choice of watched samples.")] = 0,
    shadow_limit: Annotated[
        str | None,
        typer.Option(metavar="SHARE", help="How often their answers may differ. Default: as the certificate says."),
    ] = None,
    shadow_confidence: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="1 - the probability of a false alarm, such as 95%. Default: as the certificate says."
        ),
    ] = None,
    exits: Annotated[
        bool, typer.Option("--exits/--no-exits", help="Let samples leave early, or run all to the final exit.")
    ] = True,
) -> None:
    """Answer a data set and write labels, exits and confidences to an .npz file."""
    from eerun.bundle import find_bundle
    from eerun.cli.answer_data import answer_samples, choose_split, write_answers
    from eerun.cli.fraction import parse_fraction
    from eerun.cli.group_lines import partial_lines
    from eerun.cli.output_file import check_writable
    from eerun.cli.progress import ProgressBar
    from eerun.cli.shadow_lines import certificate_lines, shadow_lines
    from eerun.data import check_labels, load_data
    from eerun.folding import count_with_copies
    from eerun.model import load

    check_writable(output, flag="-o")
    path = bundle or find_bundle(Path.cwd())
    model = load(
        path,
        engine=engine,
        precision=precision,
        threads=threads,
        device=device,
        in_flight=in_flight,
        device_exits=device_exits,
        trust_plans=trust_plans,
        grouping=grouping.value,
        shadow=None if shadow is None else parse_fraction("--shadow", shadow),
        shadow_seed=shadow_seed,
        shadow_limit=None if shadow_limit is None else parse_fraction("--shadow-limit", shadow_limit),
        shadow_confidence=(
            None if shadow_confidence is None else parse_fraction("--shadow-confidence", shadow_confidence)
        ),
    )
    names = [entry.name for entry in model.manifest.inputs]
    source = _source(data, path)
    name, samples = choose_split(load_data(source, input_names=names), split, seed=model.manifest.split_seed)
    check_labels(samples.labels, model.output_shape, source=source)
    with ProgressBar(f"answer {len(samples)} samples") as bar:
        answers, effort = answer_samples(model, samples, batch=batch, exits=exits, progress=bar.show)
    write_answers(output, answers, samples)
    typer.echo(
        f"{output}: answers to {len(samples)} samples, split {name!r} of {source} ({model.engine} {model.precision})"
    )
    fold = model.manifest.images_a_row
    copies = count_with_copies(len(samples), batch, fold)
    for line in (
        *partial_lines(len(samples), batch, fold),
        *_summary(answers, samples, effort, model),
        *certificate_lines(model, samples=len(samples), with_copies=copies),
        *shadow_lines(model.metrics),
    ):
        typer.echo(line)


def _source(data: str | None, bundle: Path) -> str:
    """Where the data come from."""
    from eengines.errors import UserError
    from eerun.data import default_data_path

    if data is not None:
        return data
    beside = default_data_path(bundle)
    if beside is None:
        npz = bundle.with_suffix(".npz").name
        raise UserError(str(bundle), f"no data: --data is not given and there is no {npz} beside it", "Give --data")
    return str(beside)


def _summary(answers: "Mapping[str, Array]", samples: "Samples", effort: "Effort", model: "Model") -> list[str]:
    """Shares of the exits, accuracy and speed."""
    from eerun.cli.answer_quality import quality_lines
    from eerun.cli.group_lines import left_lines

    exits = model.manifest.exits
    answered = [int((answers["exit_index"] == index).sum()) for index in range(len(exits))]
    lines = left_lines(exits, answered, effort.left, fold=model.manifest.images_a_row)
    if samples.labels is not None:
        lines += quality_lines(answers["labels"], samples.labels, model.output_shape)
    return [*lines, f"{len(samples) / effort.seconds:.6g} samples/s"]
