"""A recording on disk: the same when it is opened, mapped and not read, and refused where it is damaged."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from calib.synthetic_maps import map_trace
from calib.synthetic_traces import synthetic_trace

from eecalib.trace import ExitTrace, MapTrace, Recording, SplitRecording, open_recording, write_recording
from eecalib.trace.store import FOLDED_SCHEMA, HEADER, SCHEMA
from eengines.errors import DataError, UserError
from eerun.folding import GroupExit


def recording_of(trace: ExitTrace | MapTrace) -> Recording:
    final = trace.answers[:, -1] if isinstance(trace, MapTrace) else trace.logits[:, -1].argmax(axis=1)
    split = SplitRecording(trace=trace, float32=final, sha256="ab" * 32)
    rows = np.arange(5)
    few = SplitRecording(trace=trace.rows(rows), float32=final[rows], sha256="cd" * 32)
    return Recording(
        source_sha256="12" * 32,
        configuration="onnxruntime-float32",
        graphs_sha256="34" * 32,
        engine_version="1.2.3",
        exits=("early", "middle", "final"),
        splits={"tune": split, "test": few},
    )


LOGITS = recording_of(synthetic_trace(30, exits=3, classes=4, seed=0))
UNLABELLED = recording_of(ExitTrace(logits=LOGITS.splits["tune"].trace.logits, labels=None))
MAPS = recording_of(map_trace(9, seed=0))


@pytest.fixture
def folder(tmp_path):
    write_recording(LOGITS, tmp_path / "net.trace")
    return tmp_path / "net.trace"


def test_its_parts_are_the_same(tmp_path):
    for name, recording in {"logits": LOGITS, "unlabelled": UNLABELLED, "maps": MAPS}.items():
        written = write_recording(recording, tmp_path / name)
        assert written == sum(file.stat().st_size for file in (tmp_path / name).iterdir())
        again = open_recording(tmp_path / name)
        same = ("source_sha256", "configuration", "graphs_sha256", "engine_version", "exits")
        assert [getattr(again, each) for each in same] == [getattr(recording, each) for each in same]
        assert list(again.splits) == list(recording.splits)
        for split, expected in zip(again.splits.values(), recording.splits.values(), strict=True):
            assert split.sha256 == expected.sha256
            np.testing.assert_array_equal(split.float32, expected.float32)
            assert type(split.trace) is type(expected.trace)
            for part, array in vars(expected.trace).items():
                if isinstance(array, np.ndarray):
                    found = getattr(split.trace, part)
                    assert found.dtype == array.dtype
                    np.testing.assert_array_equal(found, array)
                else:
                    assert getattr(split.trace, part) == array


FOLDED = replace(
    LOGITS,
    splits={
        "tune": replace(LOGITS.splits["tune"], trace=replace(LOGITS.splits["tune"].trace, fold=3, rule=GroupExit.FIRST))
    },
)


def test_groups_are_stored_and_the_rule_is_not(tmp_path):
    write_recording(FOLDED, tmp_path / "folded")
    header = json.loads((tmp_path / "folded" / HEADER).read_text())
    assert (header["schema"], header["fold"]) == (FOLDED_SCHEMA, 3)
    trace = open_recording(tmp_path / "folded").splits["tune"].trace
    assert (trace.fold, trace.groups, trace.rule) == (3, 10, GroupExit.ALL)
    assert open_recording(tmp_path / "folded").splits["tune"].under(GroupExit.FIRST).trace.rule is GroupExit.FIRST


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"fold": 1}, "got groups of 1 in version eecompile.trace/2"),
        ({"schema": SCHEMA}, "got groups of 3 in version eecompile.trace/1"),
        ({"fold": 4}, "got 30 samples of split tune, no groups of 4"),
    ],
)
def test_groups_that_cannot_be_are_refused(tmp_path, parts, problem):
    write_recording(FOLDED, tmp_path / "folded")
    changed(tmp_path / "folded", **parts)
    with pytest.raises(DataError, match=problem):
        open_recording(tmp_path / "folded")


def test_arrays_are_mapped_and_cannot_be_changed(folder):
    trace = open_recording(folder).splits["tune"].trace
    assert isinstance(trace.logits, np.memmap)
    assert not trace.logits.flags.writeable


def test_a_folder_with_files_is_not_written_to(folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(UserError, match="it exists and is not empty"):
        write_recording(LOGITS, folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    with pytest.raises(UserError, match="it exists and is not empty"):
        write_recording(LOGITS, folder / HEADER)


def test_an_interrupted_write_leaves_nothing_and_is_not_in_the_way(tmp_path, monkeypatch):
    folder, save = tmp_path / "net.trace", np.save

    def interrupted(path, array, **more):
        if "test" in path.name:
            raise KeyboardInterrupt
        save(path, array, **more)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_recording(LOGITS, folder)
    assert list(tmp_path.iterdir()) == []
    killed = tmp_path / ".net.trace.unfinished"
    killed.mkdir()
    (killed / "tune.old.npy").touch()
    folder.mkdir()
    write_recording(LOGITS, folder)
    assert [*tmp_path.iterdir()] == [folder]
    assert not list(folder.glob("*.old.npy"))
    assert len(open_recording(folder).splits) == 2


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="it cannot be written"):
        write_recording(LOGITS, tmp_path / "file" / "net.trace")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"schema": "eecompile.trace/1"}'])
def test_a_header_that_is_none_is_refused(folder, content):
    (folder / HEADER).unlink()
    if content is not None:
        (folder / HEADER).write_bytes(content)
    with pytest.raises(DataError, match="it is no trace"):
        open_recording(folder)


def changed(folder, **parts):
    header = json.loads((folder / HEADER).read_text())
    (folder / HEADER).write_text(json.dumps({**header, **parts}))


def test_an_unknown_version_is_refused(folder):
    assert json.loads((folder / HEADER).read_text())["schema"] == SCHEMA
    changed(folder, schema="eecompile.trace/3")
    with pytest.raises(DataError, match=r"got version eecompile\.trace/3, expected eecompile\.trace/1"):
        open_recording(folder)


def test_names_of_exits_must_be_as_many_as_the_exits(folder):
    changed(folder, exits=["early", "final"])
    with pytest.raises(DataError, match="split tune has 3 exits, expected 2"):
        open_recording(folder)


SPLIT = {"samples": 30, "sha256": "ab" * 32, "labels": True}


@pytest.mark.parametrize("splits", [{}, {"test": SPLIT}, {"tune": SPLIT, "../tune": SPLIT}, {"tune": SPLIT, "": SPLIT}])
def test_other_splits_are_refused(folder, splits):
    changed(folder, splits=splits)
    with pytest.raises(DataError, match=r"got the splits .*, expected tune, and certify or test beside it"):
        open_recording(folder)


@pytest.mark.parametrize(
    "splits", [{}, {"test": LOGITS.splits["test"]}, LOGITS.splits | {"x/y": LOGITS.splits["test"]}]
)
def test_other_splits_are_not_written(tmp_path, splits):
    with pytest.raises(UserError, match="expected tune, and certify or test"):
        write_recording(replace(LOGITS, splits=splits), tmp_path / "net.trace")
    assert list(tmp_path.iterdir()) == []


def test_policies_that_are_not_those_of_the_scores_are_refused(tmp_path):
    write_recording(MAPS, tmp_path / "maps")
    policies = json.loads((tmp_path / "maps" / HEADER).read_text())["policies"]
    changed(tmp_path / "maps", policies=policies[:-1])
    with pytest.raises(DataError, match=r"got scores \[11, 9, 3\] and answers .* of 10 policies for split tune"):
        open_recording(tmp_path / "maps")


def missing(path):
    path.unlink()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-8])


def emptied(path):
    path.write_bytes(b"")


def pickled_object(path):
    path.write_bytes(pickle.dumps(np.zeros((30, 3, 4), np.float32)))


def array_of_objects(path):
    np.save(path, np.full((30, 3, 4), None, object), allow_pickle=True)


def archive(path):
    with path.open("wb") as file:
        np.savez(file, np.zeros((30, 3, 4), np.float32))


@pytest.mark.parametrize("damage", [missing, cut_short, emptied, pickled_object, array_of_objects, archive])
def test_a_damaged_array_is_refused(folder, damage):
    damage(folder / "tune.logits.npy")
    with pytest.raises(DataError, match=r"tune\.logits\.npy: it is missing or damaged"):
        open_recording(folder)


@pytest.mark.parametrize("part", ["logits", "labels", "float32"])
def test_an_array_of_other_samples_is_refused(folder, part):
    path = folder / f"tune.{part}.npy"
    np.save(path, np.load(path)[1:])
    with pytest.raises(DataError, match=r"got shape \[29.* for 30 samples"):
        open_recording(folder)


def test_scores_of_other_samples_are_refused(tmp_path):
    split = MAPS.splits["tune"]
    shorter = replace(split, trace=replace(split.trace, scores=split.trace.scores[:, :-1]))
    write_recording(replace(MAPS, splits={"tune": shorter}), tmp_path / "maps")
    with pytest.raises(DataError, match=r"tune\.scores\.npy: got shape \[11, 8, 3\] for 9 samples"):
        open_recording(tmp_path / "maps")
