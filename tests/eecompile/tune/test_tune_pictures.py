"""The picture of a run: the front over all policies, and what is measured."""

import pytest

from eecompile.tune import pictures


@pytest.mark.parametrize(("whole", "measure"), [(0.93, "accuracy"), (1.0, "agreement")])
def test_the_front_is_that_of_all_points(tunable, trace, stages, monkeypatch, whole, measure):
    report = tunable.tune(stages, "margin", "patience", trace=trace, dry_run=True)
    drawn, real = [], pictures.pareto_picture

    def kept(*given, **more):
        drawn.append(more)
        return real(*given, **more)

    monkeypatch.setattr(pictures, "pareto_picture", kept)
    assert set(pictures.pareto_pictures(report, whole, stages)) == {pictures.PNG, pictures.SVG}
    (more,) = drawn
    assert more["measure"] == measure
    front = [(point.batch_ms, point.accuracy) for point in more["front"]]
    points = {(point.batch_ms, point.accuracy) for each in report.policies for point in each.frontier}
    unbeaten = {
        point
        for point in points
        if not any(other[0] <= point[0] and other[1] >= point[1] for other in points - {point})
    }
    assert set(front) == unbeaten
    assert front == sorted(front)
    assert 1 < len(front) == len(unbeaten)
