"""The soak: what it counts as wrong, and a short one of a real server."""

import json
import sys

import numpy as np
import pytest

from benchmarks import soak
from benchmarks.fragile_bundle import write_fragile
from benchmarks.memory_watch import growth_over, peak_growth
from benchmarks.soak_answers import OUTPUTS, Compared, compare, reference
from eerun.bench.server.queries import make_queries
from eerun.bench.server.recorded import LOST, UNANSWERED, Recorded
from eerun.bench.server.tensors_on_the_wire import encode_query
from eerun.model import Result

SAMPLES = 6


def result(logits, exits) -> Result:
    outputs = np.asarray(logits, np.float32)
    return Result(
        outputs=outputs,
        labels=outputs.argmax(1),
        exit_index=np.asarray(exits, np.int32),
        confidence=np.zeros(len(outputs), np.float32),
        steps=(),
    )


@pytest.fixture
def known():
    """Two sizes of batch that differ by 0.25 in one logit; sample 5 leaves elsewhere in the other."""
    logits = np.arange(SAMPLES * 3, dtype=np.float32).reshape(SAMPLES, 3)
    other = logits.copy()
    other[0, 0] -= 0.25
    return reference([result(logits, [0, 0, 1, 1, 0, 1]), result(other, [0, 0, 1, 1, 0, 0])], segments=2)


def answer(label, exit_, logits) -> tuple[int, bytes]:
    """The body of an answer: tensors of an answer are written as those of a query."""
    arrays = {"label": np.int64(label), "exit_index": np.int32(exit_), "logits": np.float32(logits)}
    length, body = encode_query(arrays, ())
    text = body[:length].replace(b'"inputs"', b'"outputs"')
    return len(text), text + body[length:]


def recorded(queries, answers, statuses=()) -> Recorded:
    count = len(answers) + len(statuses)
    zeros = np.zeros(count, np.int64)
    return Recorded(
        due_ns=zeros,
        sent_ns=zeros,
        done_ns=zeros + 1,
        status=np.array([200] * len(answers) + list(statuses), np.int16),
        query=np.arange(count) % len(queries.bodies),
        bodies=(*(body for _, body in answers), *[b""] * len(statuses)),
        header_lengths=np.array([length for length, _ in answers] + [0] * len(statuses)),
        start_ns=0,
        length_ns=1,
        waited=0,
        connections=1,
        opened=1,
        cpu_ns=0,
        all_queries=count,
    )


@pytest.fixture
def queries():
    return make_queries({"x": np.zeros((SAMPLES, 2), np.float32)}, batch=2, outputs=OUTPUTS, seed=0)


def right(known, samples, size=0):
    return [known.labels[size, samples], known.exits[size, samples], known.logits[size, samples]]


def test_answers_of_infer_in_any_size_are_equal(known, queries):
    answers = [answer(*right(known, samples, size)) for size, samples in zip((0, 1, 0), queries.samples, strict=True)]
    found = compare(recorded(queries, answers), queries, known)
    assert (found.samples, found.equal, found.wrong, found.far, found.worst) == (6, 6, 0, 0, 0)
    assert found.open == 1
    assert found.statuses == {"200": 3}
    assert (known.spread, known.limit) == (0.25, 0.5)


@pytest.mark.parametrize(("change", "kind"), [(0.3, "near"), (0.7, "far")])
def test_logits_beside_those_of_infer(known, queries, change, kind):
    label, exit_, logits = right(known, queries.samples[0])
    answers = [answer(label, exit_, logits + np.float32([[0, 0, change], [0, 0, 0]]))]
    found = compare(recorded(queries, answers), queries, known)
    assert (found.equal, getattr(found, kind), found.near + found.far) == (1, 1, 1)
    assert found.worst == pytest.approx(change)


@pytest.mark.parametrize("which", [0, 1])
def test_another_label_or_exit_is_wrong(known, queries, which):
    parts = right(known, queries.samples[0])
    parts[which] = parts[which] + np.array([2, 0], parts[which].dtype)
    found = compare(recorded(queries, [answer(*parts)]), queries, known)
    assert (found.wrong, found.equal) == (1, 1)


def test_what_is_no_answer(known, queries):
    short = answer(*[part[:1] for part in right(known, queries.samples[0])])
    found = compare(
        recorded(queries, [(0, b"{"), (0, b'{"outputs": []}'), short], [503, LOST, UNANSWERED]), queries, known
    )
    assert (found.unreadable, found.samples) == (3, 0)
    assert found.statuses == {"200": 3, "503": 1, "lost": 1, "unanswered": 1}


def row(p99=10.0, statuses=None, **more):
    counts = dict.fromkeys(("equal", "near", "far", "open", "wrong", "unreadable"), 0) | more
    compared = Compared(statuses=statuses or {"200": 5}, samples=5, worst=0.0, **counts)
    return {"queries": 5, "p99_ms": p99, "compared": compared}


def test_what_does_not_pass():
    good = [row(p99=500), *[row()] * 4]
    assert soak.problems_of(good, 0.0199) == []
    assert "memory grew by 2.1%" in soak.problems_of(good, 0.021)[0]
    assert soak.problems_of([*good, row(near=3, open=1)], 0) == []
    for bad in ({"wrong": 1}, {"far": 1}, {"unreadable": 1}, {"statuses": {"200": 4, "503": 1}}):
        assert len(soak.problems_of([row(**bad), *good], 0)) == 1
    assert "p99 went from 10.0 ms to 16.0 ms" in soak.problems_of([row(), row(10), row(10), row(16), row(16)], 0)[0]


def test_growth_is_that_of_a_straight_line():
    seconds = np.arange(100.0)
    looks = np.stack([seconds, 1e8 + 1e5 * seconds], 1)
    assert growth_over(looks) == pytest.approx(99e5 / looks[:, 1].mean())
    up_and_down = np.stack([seconds, 1e8 + 5e7 * (seconds % 10)], 1)
    assert peak_growth(up_and_down) == 0
    assert peak_growth(np.stack([seconds, 1e8 * (1 + seconds // 67)], 1)) == pytest.approx(1)


def test_a_short_soak_of_a_real_server(tmp_path, monkeypatch, capsys):
    fragile = write_fragile(tmp_path / "fragile.ee")
    y = np.random.default_rng(0).integers(0, 4, len(fragile.x))
    np.savez(tmp_path / "fragile.npz", x=fragile.x, y=y)
    words = ["--engine", "onnxruntime", "--threads", "2", "--minutes", "2", "--minute-s", "0.5", "--qps", "80"]
    monkeypatch.setattr(sys, "argv", ["soak.py", str(fragile.path), *words, "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        soak.main()
    found = json.loads((tmp_path / "soak-fragile.json").read_text())
    told = [problem for problem in found["problems"] if "p99" not in problem and "memory" not in problem]
    assert told == []
    assert ended.value.code == int(bool(found["problems"]))
    minutes = [minute["compared"] for minute in found["minutes"]]
    assert [minute["statuses"] for minute in minutes] == [{"200": 40}] * 3
    assert all(minute["equal"] + minute["near"] == minute["samples"] == 160 for minute in minutes)
    assert str(tmp_path) not in (tmp_path / "soak-fragile.json").read_text()
    assert "queries of 4 samples a second" in capsys.readouterr().out


def test_the_capacity_is_what_is_answered_when_the_server_falls_behind(monkeypatch):
    """A server that answers 100 a second, whatever is offered."""
    load = object.__new__(soak.Load)

    def drive(qps, seconds):
        count = round(qps * seconds)
        due = np.cumsum(np.full(count, 1e9 / qps)).astype(np.int64)
        done = np.maximum(due, np.cumsum(np.full(count, 1e7)).astype(np.int64))

        class Block:
            due_ns, done_ns, status = due, done, np.full(count, 200)
            answered = np.full(count, True)

        return Block

    monkeypatch.setattr(load, "drive", drive)
    capacity, probes = load.capacity(2.0)
    assert capacity == pytest.approx(100, rel=0.02)
    assert len(probes) == 3 + 3
