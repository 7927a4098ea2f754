"""`eecompile inspect` of a tuned bundle: how well scores rank, and nothing about promises that were not made."""

import re

from silent_stages import SilentStages

from eecompile.build.report import BuildReport
from eecompile.inspect import inspect_text


def test_scores_of_every_exit_are_ranked(tunable, tmp_path):
    copy = tunable.copy(tmp_path / "copy")
    copy.tune(SilentStages(), "patience")
    text = inspect_text(copy.path, nodes=False, ranges=False)
    ranks = copy.bundle.read_json(copy.bundle.manifest.report, BuildReport).ranks
    assert [each.score for each in ranks] == ["max-probability", "margin", "entropy"]
    _, shown = text.split("---- AUROC of 'this exit is right'", 1)
    lines = shown.splitlines()[1:5]
    assert lines[0].split() == ["score", "early", "middle", "final"]
    for line, each in zip(lines[1:], ranks, strict=True):
        assert line.split() == [each.score, *(f"{value:.3f}" for value in each.auroc)]
    assert "Promises" not in text
    assert re.search(r"patience", text)


def test_a_build_ranks_the_score_that_it_has(tunable):
    report = tunable.bundle.read_json(tunable.bundle.manifest.report, BuildReport)
    (only,) = report.ranks
    assert only.score == "max-probability"
    assert all(0.5 < value <= 1 for value in only.auroc)
    text = inspect_text(tunable.path, nodes=False, ranges=False)
    assert re.search(rf"max-probability +{only.auroc[0]:.3f} +{only.auroc[1]:.3f} +{only.auroc[2]:.3f}", text)
