"""A recording as a folder: a JSON file, and arrays that are mapped into memory when it is opened."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eecalib.trace.exit_trace import ExitTrace
from eecalib.trace.map_trace import MapTrace
from eecalib.trace.recording import SPLITS, Recording, SplitRecording
from eengines.errors import DataError, UserError
from eerun.policies import make_policy, parameters_of

__all__ = ["FOLDED_SCHEMA", "HEADER", "SCHEMA", "open_recording", "write_recording"]

HEADER = "trace.json"
SCHEMA = "eecompile.trace/1"
FOLDED_SCHEMA = "eecompile.trace/2"
"""Of a folded network: who reads version 1 knows nothing of groups."""
AGAIN = "Record it again with `eecompile trace`"


@dataclass(frozen=True, kw_only=True)
class _Split:
    samples: int
    sha256: str
    labels: bool


@dataclass(frozen=True, kw_only=True)
class _Policy:
    policy: str
    parameters: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Header:
    """`trace.json`.

    `policies` are those whose scores were recorded of maps, `ignored` the label of other pixels, `fold` the images a
    group of a folded network, which version 2 has.
    """

    schema: str
    source_sha256: str
    configuration: str
    graphs_sha256: str
    engine_version: str
    exits: tuple[str, ...]
    splits: dict[str, _Split]
    policies: tuple[_Policy, ...] = ()
    ignored: int | None = None
    fold: int = 1


def write_recording(recording: Recording, folder: Path) -> int:
    """Write a recording into a folder, which must be empty or not there, in one step. Return its bytes.

    Raises:
        UserError: the folder has other files, or cannot be written; or the recording has no *tune* split.
    """
    folder = folder.resolve()
    _check_splits(recording.splits, folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(str(folder), "it exists and is not empty", "Choose another place with -o, or remove it")
    some = next(iter(recording.splits.values())).trace
    maps = some if isinstance(some, MapTrace) else None
    header = _Header(
        schema=SCHEMA if some.fold == 1 else FOLDED_SCHEMA,
        source_sha256=recording.source_sha256,
        configuration=recording.configuration,
        graphs_sha256=recording.graphs_sha256,
        engine_version=recording.engine_version,
        exits=recording.exits,
        splits={
            name: _Split(samples=split.trace.samples, sha256=split.sha256, labels=split.trace.labels is not None)
            for name, split in recording.splits.items()
        },
        policies=()
        if maps is None
        else tuple(_Policy(policy=p.name, parameters=parameters_of(p)) for p in maps.policies),
        ignored=None if maps is None else maps.ignored,
        fold=some.fold,
    )
    return _write_in_one_step(header, recording, folder)


def _write_in_one_step(header: _Header, recording: Recording, folder: Path) -> int:
    """Write into a folder beside it, which takes its place at the end; what a killed run has left there is removed."""
    beside = folder.with_name(f".{folder.name}.unfinished")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if beside.exists():
            shutil.rmtree(beside)
        beside.mkdir()
        for name, split in recording.splits.items():
            for part, array in _arrays(split).items():
                np.save(beside / f"{name}.{part}.npy", array, allow_pickle=False)
        (beside / HEADER).write_bytes(msgspec.json.format(msgspec.json.encode(header), indent=2) + b"\n")
        written = sum(file.stat().st_size for file in beside.iterdir())
        if folder.exists():
            folder.rmdir()
        beside.rename(folder)
    except OSError as error:
        raise UserError(str(folder), f"it cannot be written: {error}", "Choose another place with -o") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return written


def open_recording(folder: Path) -> Recording:
    """Open a recording; arrays are read when they are looked at.

    Raises:
        DataError: there is none, it is damaged, or of an unknown version.
    """
    try:
        header = msgspec.json.decode((folder / HEADER).read_bytes(), type=_Header)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(str(folder), f"it is no trace: {error}", AGAIN) from error
    if header.schema not in (SCHEMA, FOLDED_SCHEMA):
        raise DataError(str(folder), f"got version {header.schema}, expected {SCHEMA} or {FOLDED_SCHEMA}", AGAIN)
    if header.fold < 1 or (header.fold > 1) != (header.schema == FOLDED_SCHEMA):
        raise DataError(str(folder), f"got groups of {header.fold} in version {header.schema}", AGAIN)
    _check_splits(header.splits, folder)
    return Recording(
        source_sha256=header.source_sha256,
        configuration=header.configuration,
        graphs_sha256=header.graphs_sha256,
        engine_version=header.engine_version,
        exits=header.exits,
        splits={name: _open_split(folder, name, split, header) for name, split in header.splits.items()},
    )


def _check_splits(names: Collection[str], folder: Path) -> None:
    """Refuse a recording without *tune*, and names that are none of splits: files are called after them."""
    if SPLITS[0] not in names or not set(SPLITS).issuperset(names):
        expected = f"expected {SPLITS[0]}, and {' or '.join(SPLITS[1:])} beside it"
        raise DataError(str(folder), f"got the splits {sorted(names)}, {expected}", AGAIN)


def _arrays(split: SplitRecording) -> dict[str, NDArray[Any]]:
    """The arrays of a split by the names of their files."""
    trace, found = split.trace, {"float32": split.float32}
    if trace.labels is not None:
        found["labels"] = trace.labels
    if isinstance(trace, MapTrace):
        return found | {"scores": trace.scores, "answers": trace.answers}
    return found | {"logits": trace.logits}


def _open_split(folder: Path, name: str, split: _Split, header: _Header) -> SplitRecording:
    def array(part: str) -> NDArray[Any]:
        path = folder / f"{name}.{part}.npy"
        try:
            found: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise DataError(str(path), f"it is missing or damaged: {error}", AGAIN) from error
        axis = 1 if part == "scores" else 0
        if found.ndim <= axis or found.shape[axis] != split.samples:
            raise DataError(str(path), f"got shape {list(found.shape)} for {split.samples} samples", AGAIN)
        return found

    labels = array("labels") if split.labels else None
    trace: ExitTrace | MapTrace
    if header.policies:
        policies = tuple(make_policy(each.policy, each.parameters) for each in header.policies)
        scores, answers = array("scores"), array("answers")
        if scores.ndim != 3 or len(scores) != len(policies) or answers.ndim != 4:
            got = f"scores {list(scores.shape)} and answers {list(answers.shape)} of {len(policies)} policies"
            raise DataError(str(folder), f"got {got} for split {name}", AGAIN)
        trace = MapTrace(policies=policies, scores=scores, answers=answers, labels=labels, ignored=header.ignored)
    else:
        if split.samples % header.fold:
            raise DataError(
                str(folder), f"got {split.samples} samples of split {name}, no groups of {header.fold}", AGAIN
            )
        trace = ExitTrace(logits=array("logits"), labels=labels, fold=header.fold)
    if trace.exits != len(header.exits):
        raise DataError(str(folder), f"split {name} has {trace.exits} exits, expected {len(header.exits)}", AGAIN)
    return SplitRecording(trace=trace, float32=array("float32"), sha256=split.sha256)
