"""Counters of versions with other exits and batches in one sum."""

from dataclasses import replace

import eerun
from eerun.serve.sum_snapshots import sum_snapshots


def test_exits_go_by_name_and_segments_by_number(tiny_bundle):
    with eerun.load(tiny_bundle.path, engine="onnxruntime", threads=2) as model:
        model.submit(tiny_bundle.x[:30]).result()
        first = model.statistics()
    assert first.exits == ("early", "final")
    second = replace(
        first,
        exits=("other", "early", "final"),
        exit_count=(7, *first.exit_count),
        confidence=((1, 2), *first.confidence),
        segment_runs=(*first.segment_runs, 9),
        segment_batch=(*first.segment_batch, (0, 9)),
        failures={"EngineError": 2},
    )
    total = sum_snapshots(first, second)
    counts = dict(zip(total.exits, total.exit_count, strict=True))
    early, final = first.exit_count
    assert counts == {"early": 2 * early, "final": 2 * final, "other": 7}
    assert total.confidence[2] == (1, 2)
    assert total.confidence[0] == tuple(2 * count for count in first.confidence[0])
    assert total.segment_runs == (*(2 * runs for runs in first.segment_runs), 9)
    assert total.segment_batch[2] == (0, 9)
    assert (total.samples, total.duration_ns, total.failures) == (60, 2 * first.duration_ns, {"EngineError": 2})
