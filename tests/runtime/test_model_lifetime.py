"""How a model ends: collected, with the interpreter, or in a process that was forked from its own."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import eerun

LOAD = {"engine": "onnxruntime", "threads": 2}
WAIT_S = 30


LOADED = """
import eerun, numpy as np
model = eerun.load({path!r}, engine={engine!r}, threads=2)
x = np.zeros((1, 24), np.float32)
model.submit(x).result(30)
"""


def run_program(program: str, path, engine="onnxruntime", start=LOADED) -> subprocess.CompletedProcess:
    start = textwrap.dedent(start).format(path=str(path), engine=engine)
    return subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def scheduler_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("eerun-scheduler")]


def test_a_model_that_nobody_refers_to_stops_its_thread_and_answers_first(tiny_bundle):
    before = set(scheduler_threads())
    future = eerun.load(tiny_bundle.path, **LOAD).submit(tiny_bundle.x[:100])
    assert len(future.result(WAIT_S).labels) == 100
    del future
    ends = time.monotonic() + WAIT_S
    while set(scheduler_threads()) - before:
        gc.collect()
        assert time.monotonic() < ends, "the thread is still there"
        time.sleep(0.01)


def test_the_interpreter_ends_with_calls_that_wait(tiny_bundle):
    done = run_program(
        """
        import threading
        lane = model._service.scheduler._dispatcher.all_turns[0].lane
        came, opened = threading.Event(), threading.Event()
        start = lane.start
        lane.start = lambda chunks: (came.set(), opened.wait(30), start(chunks))[2]
        running = model.submit(x)
        came.wait(30)
        waiting = [model.submit(x, exits=False) for _ in range(500)]
        running.add_done_callback(lambda f: print("ran", f.exception(), flush=True))
        waiting[-1].add_done_callback(lambda f: print(type(f.exception()).__name__, flush=True))
        waiting[-1].add_done_callback(lambda f: opened.set())  # the run in progress ends after the refusal
        """,
        tiny_bundle.path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["ClosedError", "ran None"], "the one that ran is waited for"
    assert "Traceback" not in done.stderr


def test_the_interpreter_ends_while_the_engine_hangs(tiny_bundle):
    done = run_program(
        """
        import eerun.scheduler.alive as alive
        alive.EXIT_WAIT_S = 0.2
        model._executor.lock.acquire()
        waiting = [model.submit(x) for _ in range(50)]
        waiting[-1].add_done_callback(lambda f: print(type(f.exception()).__name__, flush=True))
        """,
        tiny_bundle.path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ClosedError"


def test_a_load_that_fails_leaves_forks_free(tiny_bundle):
    done = run_program(
        """
        import os
        pid = os.fork()
        if pid == 0:
            os._exit(len(eerun.load(path, engine="onnxruntime", threads=1).infer(x).labels) + 4)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
        tiny_bundle.path,
        start="""
        import eerun, numpy as np
        path, x = {path!r}, np.zeros((1, 24), np.float32)
        try:
            eerun.load(path, engine="nobody")
        except Exception as error:
            assert "nobody" in str(error), error
        """,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "5"), done.stderr


FORKED = """
    import multiprocessing, sys, threading, warnings
    from eengines.errors import ClosedError, EngineError
    warnings.simplefilter("ignore", DeprecationWarning)

    def child():
        calls = {"infer": model.infer, "submit": model.submit, "statistics": lambda _: model.statistics()}
        for name, call in calls.items():
            try:
                call(x)
            except ClosedError as error:
                assert "loaded in the parent of this process" in str(error), error
            else:
                raise AssertionError(f"{name} was not refused")
        assert model.close(timeout_s=5)
        try:
            eerun.load(model._service._where, engine="onnxruntime")
        except EngineError as error:
            assert "Fork before any model is loaded" in str(error), error
        else:
            raise AssertionError("engines were loaded beside dead threads")
"""


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_child_by_fork_is_refused_and_ends(tiny_bundle, engine):
    done = run_program(
        textwrap.dedent(FORKED)
        + textwrap.dedent(
            """
            import os, signal
            with model._service.scheduler._condition:  # none of them runs before the fork
                busy = [model.submit(x) for _ in range(300)]
                pid = os.fork()
            if pid == 0:
                signal.alarm(20)  # a child that hangs ends by a signal
                assert isinstance(busy[0].exception(), ClosedError)
                assert all(each.done() for each in busy)
                child()
                del model
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            assert all(len(each.result(30).labels) == 1 for each in busy), "the parent goes on"
            print("ok")
            """
        ),
        tiny_bundle.path,
        engine,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr
    assert "Traceback" not in done.stderr


def test_a_child_of_multiprocessing_is_refused(tiny_bundle):
    done = run_program(
        textwrap.dedent(FORKED)
        + textwrap.dedent(
            """
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.join(30)
            assert process.exitcode == 0, process.exitcode
            model.infer(x)
            print("ok")
            """
        ),
        tiny_bundle.path,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr


@pytest.mark.parametrize("held", ["_lock", "scheduler"])
def test_locks_that_the_parent_held_do_not_stop_a_child(tiny_bundle, held):
    model = eerun.load(tiny_bundle.path, **LOAD)
    model.submit(tiny_bundle.x[:1]).result(WAIT_S)
    lock = model._service._lock if held == "_lock" else model._service.scheduler._condition
    taken, done = threading.Event(), threading.Event()

    def hold():
        with lock:
            taken.set()
            done.wait(WAIT_S)

    holder = threading.Thread(target=hold)
    holder.start()
    assert taken.wait(WAIT_S)
    pid = os.fork()
    if pid == 0:
        os._exit(3 if model.close(timeout_s=5) else 4)
    try:
        ends, status = time.monotonic() + WAIT_S, (0, 0)
        while status[0] == 0 and time.monotonic() < ends:
            status = os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)
        assert status[0] == pid, "the child hangs"
        assert os.waitstatus_to_exitcode(status[1]) == 3
    finally:
        if status[0] == 0:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        done.set()
        holder.join(WAIT_S)
        model.close()
