"""Who is killed while the tuned bundle is written leaves the old one whole, or has the new one."""

import itertools
import os
import signal
import sys
import traceback
import warnings

import numpy as np
import pytest
from silent_stages import SilentStages

from eecompile.tune.write_tune import write_tune

KILLED = 77
FILE_EVENTS = ("open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
STUCK_S = 60


@pytest.fixture(scope="module")
def written(tunable, trace, tmp_path_factory, steady_costs):
    """What a run has to write, and the bundle with it."""
    copy, seen = tunable.copy(tmp_path_factory.mktemp("written") / "copy"), []

    def keep_and_write(*given):
        seen.append(given)
        write_tune(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["eecompile.tune.tune"], "write_tune", keep_and_write)
        copy.tune(SilentStages(), "margin", trace=trace, select_exits=True)
    return seen[0], copy


def write_and_die(given, copy, at) -> tuple[int, int]:
    """Write in a process that dies at a file operation; its exit code, and how many it did."""
    counted = copy.path.parent.with_suffix(".count")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs neither torch nor an engine
        child = os.fork()
    if child == 0:
        code, number, written = 1, itertools.count(), str(copy.path.parent)

        def die(event: str, arguments: tuple[object, ...]) -> None:
            inside = any(written in str(each) for each in arguments)
            if event in FILE_EVENTS and inside and next(number) == at:
                os._exit(KILLED)

        try:
            signal.alarm(STUCK_S)
            sys.addaudithook(die)
            write_tune(copy.bundle, *given[1:])
            counted.write_text(str(next(number)))
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not run the rest of the tests
            traceback.print_exc()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, int(counted.read_text()) if code == 0 else 0


def test_killed_anywhere_the_bundle_is_all_old_or_all_new(written, tunable, tmp_path):
    given, new = written
    whole = tunable.copy(tmp_path / "whole")
    code, count = write_and_die(given, whole, None)
    assert (code, count > 30) == (0, True)
    assert whole.bundle.manifest == new.bundle.manifest
    found = set()
    for at in np.unique(np.linspace(0, count - 1, 10).astype(int)):
        left = tunable.copy(tmp_path / f"at {at}")
        assert write_and_die(given, left, int(at)) == (KILLED, 0)
        left.bundle.verify_files()
        assert left.bundle.manifest in (tunable.bundle.manifest, new.bundle.manifest)
        found.add(len(left.bundle.manifest.exits))
    assert 3 in found


@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_leaves_all_old_or_all_new(written, copied, monkeypatch, when):
    module = sys.modules["eecompile.tune.write_tune"]
    real, before = module.rewrite_bundle, copied.content()

    def interrupted(*arguments: object, **more: object) -> None:
        if when == "after":
            real(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "rewrite_bundle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_tune(copied.bundle, *written[0][1:])
    if when == "before":
        assert copied.content() == before
    else:
        assert copied.bundle.manifest == written[1].bundle.manifest
        assert set(copied.content()) == set(written[1].content()), "nothing is left over"
