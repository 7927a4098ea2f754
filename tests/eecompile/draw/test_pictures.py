"""Pictures: drawn, small, the same each time, and in the bundle."""

import importlib.util
import struct
from dataclasses import replace

import numpy as np
import pytest

from eecompile.build.pictures import add_pictures
from eecompile.build.report import BuildReport
from eecompile.draw.accuracy import accuracy_picture, agreement_picture
from eecompile.draw.ranges import RangeBar, ranges_picture
from eerun.bundle import open_bundle

LARGEST = 150_000


def size(content):
    """Width and height from the header of a PNG."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", content[16:24])


def bars(count, *, spread, segments=3):
    draw = np.random.default_rng(0)
    highs = np.exp(draw.normal(0, spread, count))
    return [
        RangeBar(
            name=f"/layer{k}/a_long_name/Conv_output_0",
            segment=k * segments // count,
            low=-high / 2 if k % 2 else 0.0,
            high=float(high),
            every=(-high, 1.2 * high) if k % 3 else None,
        )
        for k, high in enumerate(highs.tolist())
    ]


@pytest.mark.parametrize("spread", [0.3, 3.0])
@pytest.mark.parametrize("count", [1, 30, 300])
def test_ranges_of_any_number(count, spread):
    drawn = bars(count, spread=spread, segments=min(3, count))
    picture = ranges_picture(drawn, samples=[1024, 300, 32], method="min-max", calibrate_on="survivors")
    assert len(picture) < LARGEST
    assert 900 < size(picture)[0] < 1400
    assert 500 < size(picture)[1] < 1000


def test_values_that_are_always_zero_are_drawn_without_a_scale(recwarn):
    zero = RangeBar(name="dead", segment=0, low=0.0, high=0.0, every=(0.0, 0.0))
    alone = ranges_picture([zero], samples=[64], method="mse", calibrate_on="all")
    among = ranges_picture([zero, *bars(5, spread=3.0)], samples=[64, 9, 9], method="mse", calibrate_on="all")
    assert size(alone) != size(among)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("exits", [2, 9])
@pytest.mark.parametrize("configurations", [1, 7])
def test_accuracy_of_any_number_of_exits(exits, configurations):
    names = [f"exit_{k}" for k in range(exits)]
    base = [0.5 + 0.04 * k for k in range(exits)]
    others = {f"engine{c} int8": [value - 0.001 * c for value in base] for c in range(configurations)}
    for picture in (
        accuracy_picture(names, base, others, samples=3200),
        agreement_picture(names, others, samples=3200),
    ):
        assert len(picture) < LARGEST
        assert size(picture)[0] < 1600


def test_the_same_numbers_give_the_same_bytes():
    first, second = (
        ranges_picture(bars(9, spread=1.0), samples=[9, 9, 9], method="mse", calibrate_on="all") for _ in range(2)
    )
    assert first == second


def test_a_build_draws_both_and_lists_them(digits_bundle):
    bundle = open_bundle(digits_bundle)
    for name in ("report/ranges.png", "report/accuracy.png"):
        assert name in bundle.manifest.files
        assert size(bundle.read(name))[0] > 700


class Collected:
    """In place of the bundle's writer and the build's stages."""

    def __init__(self):
        self.files, self.details = {}, []

    def add(self, name, content):
        self.files[name] = content

    def detail(self, text):
        self.details.append(text)


@pytest.fixture
def report(digits_bundle):
    return open_bundle(digits_bundle).read_json("report/summary.json", BuildReport)


def test_without_matplotlib_the_build_says_so(report, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("eecompile.draw.picture.find_spec", lambda name: None if name == "matplotlib" else found(name))
    seen = Collected()
    add_pictures(seen, None, None, report, seen)
    assert seen.files == {}
    (line,) = seen.details
    assert "no pictures were drawn: matplotlib is not installed: pip install 'eecompile[report]'" in line


def without_labels(report):
    """The same report as a build without labels writes it."""
    split = {"accuracy": None, "accuracy_final": None, "accuracy_float32": None, "exit_accuracy_all": None}
    trials = tuple(
        replace(trial, tune=replace(trial.tune, **split), test=replace(trial.test, **split)) for trial in report.trials
    )
    return replace(report, trials=trials)


def test_without_labels_agreement_is_drawn(report):
    labelled, unlabelled = Collected(), Collected()
    add_pictures(labelled, None, None, report, labelled)
    add_pictures(unlabelled, None, None, without_labels(report), unlabelled)
    assert list(labelled.files) == list(unlabelled.files) == ["report/accuracy.png"]
    assert labelled.files != unlabelled.files
    assert labelled.details == ["no picture of ranges: nothing was calibrated"]


def test_with_float32_alone_there_is_nothing_to_compare(report):
    seen = Collected()
    float32 = tuple(t for t in report.trials if (t.engine, t.precision) == ("onnxruntime", "float32"))
    add_pictures(seen, None, None, replace(report, trials=float32), seen)
    assert seen.files == {}
    assert any("float32 is all that was kept" in line for line in seen.details)
