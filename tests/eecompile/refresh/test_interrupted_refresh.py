"""Who is killed while a refresh replaces things leaves a bundle and a checkpoint that belong together."""

import itertools
import os
import shutil
import signal
import sys
import traceback
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eecompile.ingest.source_hash import source_hash
from eecompile.refresh.pending_model import pending_path
from eecompile.refresh.source_model import load_source
from eecompile.refresh.write_refresh import stale_targets
from eengines.errors import BundleError
from eerun.bundle import DeviceEntry, TargetEntry, amend_bundle, rewrite_bundle

KILLED = 77
FILE_EVENTS = ("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
STUCK_S = 120


def write_and_die(refreshed, deployed, at: int | None) -> tuple[int, int]:
    """Replace bundle and checkpoint in a process that dies at a file operation; its exit code, and how many it did."""
    counted = deployed.folder.parent / f"{deployed.folder.name}.count"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs neither torch nor an engine
        child = os.fork()
    if child == 0:
        code, number = 1, itertools.count()

        def die(event: str, _arguments: object) -> None:
            if event in FILE_EVENTS and next(number) == at:
                os._exit(KILLED)

        try:
            signal.alarm(STUCK_S)
            sys.addaudithook(die)
            refreshed.write_to(deployed)
            counted.write_text(str(next(number)))
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not run the rest of the tests
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, int(counted.read_text()) if code == 0 else 0


def state(deployed, refreshed) -> str:
    """Which of the two are new, `--`, `b-` or `bm`; everything in the bundle is what its manifest says."""
    deployed.bundle.verify_files()
    found = ""
    for letter, digest in (("b", deployed.bundle.manifest.source_sha256), ("m", source_hash([deployed.model]))):
        assert digest in (refreshed.report.source_sha256_before, refreshed.report.source_sha256)
        found += letter if digest == refreshed.report.source_sha256 else "-"
    return found


def test_killed_anywhere_the_next_refresh_finds_what_belongs_together(refreshed, deployed, stages, tmp_path):
    code, count = write_and_die(refreshed, deployed.copy(tmp_path / "whole"), None)
    assert (code, count > 100) == (0, True)
    seen = set[str]()
    for at in np.unique(np.linspace(0, count - 2, 14).astype(int)):
        left = deployed.copy(tmp_path / f"at {at}")
        assert write_and_die(refreshed, left, int(at)) == (KILLED, 0)
        before = state(left, refreshed)
        source = load_source(left.bundle, None, None, stages)
        assert source.sha256 == left.bundle.manifest.source_sha256
        assert state(left, refreshed) == ("--" if before == "--" else "bm")
        assert not pending_path(left.model, left.path).exists()
        assert bool(stages.warnings) == (before == "b-")
        stages.warnings.clear()
        seen.add(before)
        shutil.rmtree(left.folder)
    assert seen == {"--", "b-", "bm"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["write_pending", "rewrite_bundle", "put_pending"])
def test_ctrl_c_leaves_all_old_or_all_new(refreshed, copied, monkeypatch, step, when):
    module = sys.modules["eecompile.refresh.write_refresh"]
    real = getattr(module, step)

    def interrupted(*arguments: object, **more: object) -> None:
        if when == "after":
            real(*arguments, **more)
        raise KeyboardInterrupt

    before = copied.content()
    monkeypatch.setattr(module, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        refreshed.write_to(copied)
    if step == "write_pending" or (step, when) == ("rewrite_bundle", "before"):
        assert copied.content() == before
    else:
        assert state(copied, refreshed) == "bm"
        assert set(copied.content()) == set(refreshed.after.content()), "nothing is left over"


def test_a_checkpoint_that_waits_for_another_bundle_is_left_alone(deployed, copied, stages):
    other = pending_path(copied.model, copied.path.with_name("other.ee"))
    shutil.copy(deployed.model, other)
    load_source(copied.bundle, None, None, stages)
    assert other.is_file()


def test_a_checkpoint_that_took_the_place_meanwhile_is_not_overwritten(refreshed, copied, stages):
    code, count = write_and_die(refreshed, copied.copy(copied.folder.with_name("counted")), None)
    assert code == 0
    waiting = pending_path(copied.model, copied.path)
    original = copied.model.read_bytes()
    for at in range(count - 1, 0, -1):  # from the end, to the last operation before it was put in its place
        again = copied.copy(copied.folder.with_name(f"at {at}"))
        assert write_and_die(refreshed, again, at)[0] == KILLED
        if state(again, refreshed) == "b-":
            break
    again.model.write_bytes(original + b"trained since")
    with pytest.raises(BundleError, match=f"has left that one as {waiting.name}: rename it"):
        load_source(again.bundle, None, None, stages)
    assert again.model.read_bytes().endswith(b"trained since")


def test_a_bundle_that_was_changed_meanwhile_is_not_replaced(refreshed, copied):
    old = copied.bundle
    amend_bundle(copied.path, lambda manifest: manifest.configurations[::-1], {})
    before = copied.content()
    with pytest.raises(BundleError, match="it was changed while the refresh ran"):
        refreshed.write_to(copied, bundle=old)
    assert copied.content() == before


def test_a_checkpoint_that_was_changed_meanwhile_is_not_replaced(refreshed, copied):
    copied.model.write_bytes(b"another")
    before = copied.content()
    with pytest.raises(BundleError, match=r"model\.pt: it was changed while the refresh ran"):
        refreshed.write_to(copied)
    assert copied.content() == before


def test_the_new_checkpoint_goes_to_another_place(refreshed, copied, stages):
    output: Path = copied.folder / "new.pt"
    before = copied.model.read_bytes()
    refreshed.write_to(copied, output=output)
    assert copied.model.read_bytes() == before
    assert copied.bundle.manifest.source == "new.pt"
    assert load_source(copied.bundle, None, None, stages).path == output


def test_graphs_for_gpus_go_because_their_heads_are_the_old_ones(refreshed, copied):
    card = DeviceEntry(
        name="NVIDIA T4", compute_capability="7.5", expected_us=1.0, workspace_bytes=None, optimisation_level=None
    )
    host = copied.bundle.manifest.chosen
    files = [f"targets/t4-float32/{name}" for name in ("0.onnx", "1.onnx", "2.onnx", "whole.onnx", "policy.json")]
    target = TargetEntry(
        target="t4", precision="float32", opset=17, segments=tuple(files[:3]), whole=files[3], policy=files[4],
        agreement=None,
    )  # fmt: skip
    on_card = replace(host, engine="tensorrt", device=card)
    rewrite_bundle(
        copied.path,
        lambda manifest: replace(manifest, configurations=(on_card, *manifest.configurations), targets=(target,)),
        dict.fromkeys(files, b"graph"),
    )
    refreshed.write_to(copied)
    manifest = copied.bundle.manifest
    assert manifest.targets == ()
    assert all(entry.device is None for entry in manifest.configurations)
    assert not (copied.path / "targets").exists()
    words = stale_targets(
        replace(copied.bundle, manifest=replace(manifest, targets=(target,))), refreshed.replacement.graphs
    )
    assert words == ("target t4: it has the old heads; build again with --target t4, then run `eecompile engines`",)
