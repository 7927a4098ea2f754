"""The picture of what was tried: any number of policies, the same each time."""

import struct
from xml.etree import ElementTree as ET

import pytest

from eecompile.draw.pareto import Point, pareto_picture

LARGEST = 200_000


def drawn(policies, measure="accuracy"):
    lines = {
        f"policy-{index}": [Point(batch_ms=1 + 0.1 * k + 0.05 * index, accuracy=0.8 + 0.01 * k) for k in range(8)]
        for index in range(policies)
    }
    return pareto_picture(
        lines,
        front=[Point(batch_ms=1.0, accuracy=0.8), Point(batch_ms=1.7, accuracy=0.87)],
        chosen=Point(batch_ms=1.2, accuracy=0.82),
        whole=Point(batch_ms=2.0, accuracy=0.9),
        batch=32,
        samples=3200,
        measure=measure,
    )


@pytest.mark.parametrize("policies", [1, 6, 14])
def test_any_number_of_policies(policies):
    png, svg = drawn(policies)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 600 < width < 1600
    assert 400 < height < 1000
    assert len(png) < LARGEST > len(svg)
    assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - we wrote it


def test_the_same_points_give_the_same_bytes():
    assert drawn(8) == drawn(8)


def test_policies_behind_the_colours_are_others(monkeypatch):
    seen = []
    from matplotlib.axes import Axes

    plot = Axes.plot

    def kept(self, *given, **more):
        seen.append(more.get("label"))
        return plot(self, *given, **more)

    monkeypatch.setattr(Axes, "plot", kept)
    drawn(9)
    named = [label for label in seen if label is not None and label.startswith("policy-")]
    assert len(named) == len(set(named)) < 9
    assert f"{9 - len(named)} others" in seen
    assert {"chosen", "whole network, no exits", "Pareto front"} <= set(seen)


def test_what_is_measured_is_said(monkeypatch):
    from matplotlib.axes import Axes

    seen, set_ylabel = [], Axes.set_ylabel

    def kept(self, text, **more):
        seen.append(text)
        return set_ylabel(self, text, **more)

    monkeypatch.setattr(Axes, "set_ylabel", kept)
    drawn(1, measure="agreement")
    assert seen == ["agreement, %, on 3200 tune samples"]
