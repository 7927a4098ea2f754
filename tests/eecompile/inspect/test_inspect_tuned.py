"""`eecompile inspect` of a tuned bundle: how well scores rank, and nothing about promises that were not made."""

import re

from silent_stages import SilentStages

from eecompile.build.report import BuildReport
from eecompile.inspect import inspect_text
from eerun.bundle import PolicyFile, amend_bundle


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


def test_heads_apart_and_policies_of_their_own_are_listed(tunable, tmp_path, stages):
    copy = tunable.copy(tmp_path / "copy")
    copy.tune(stages, "patience", split_heads=True)
    bundle = copy.bundle
    first, second = bundle.manifest.configurations
    other = PolicyFile(policy="margin", thresholds=(0.5, None))
    amend_bundle(copy.path, lambda manifest: manifest.configurations, {second.policy: other})
    lines = inspect_text(copy.path, nodes=False, ranges=False).splitlines()
    start = lines.index("---- Policy and thresholds: leave when score >= ----")
    shown = [" ".join(line.split()) for line in lines[start + 1 : start + 3]]
    thresholds = ", ".join("nobody" if value is None else f"{value:.6g}" for value in bundle.policy(first).thresholds)
    assert shown == [
        f"{first.engine} {first.precision} patience {thresholds}",
        f"{second.engine} {second.precision} margin 0.5, nobody",
    ]
    costs = bundle.costs(first)
    row = next(line for line in lines if line.startswith(f"{first.engine} {first.precision} →"))
    assert row.removeprefix(f"{first.engine} {first.precision} →").split()[1] == f"{costs.chain_ms(16):.2f}"
    for index in range(2):
        (times,) = (line.split()[2:] for line in lines if line.startswith(f"head {index} "))
        assert times == [f"{ms:.3f}" for ms in costs.head_ms[index]]
        (segment,) = (
            line for line in lines if line.split()[:3] == ["segment", str(index), bundle.manifest.exits[index]]
        )
        assert f"{costs.segment_ms[index][-1]:.2f} {costs.head_ms[index][-1]:.2f}" in " ".join(segment.split())


def test_a_build_ranks_the_score_that_it_has(tunable):
    report = tunable.bundle.read_json(tunable.bundle.manifest.report, BuildReport)
    (only,) = report.ranks
    assert only.score == "max-probability"
    assert all(0.5 < value <= 1 for value in only.auroc)
    text = inspect_text(tunable.path, nodes=False, ranges=False)
    assert re.search(rf"max-probability +{only.auroc[0]:.3f} +{only.auroc[1]:.3f} +{only.auroc[2]:.3f}", text)
