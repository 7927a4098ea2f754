"""A page that is scraped under real requests, every number against what was sent."""

import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as client
from grpc_on_a_thread import grpc_on_thread
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

import eerun
from eerun.bundle import PolicyFile, amend_bundle
from eerun.scheduler import CONFIDENCE_BOUNDS, LATENCY_BOUNDS_US
from eerun.serve.metrics.card import CARD_FAMILIES
from eerun.serve.metrics.families import FAMILIES
from eerun.serve.metrics.sheet import Sheet
from eerun.serve.metrics.text import to_text
from eerun.serve.settings import ServeSettings

OPTIONS = {"engine": "onnxruntime", "threads": 2, "reload_s": 0.0, "grpc_port": 0}
WAIT_S = 30
SIZES = (1, 3, 8, 20, 2)
SHADOW = {"shadow": 0.5, "shadow_seed": 1, "shadow_limit": 0.9, "shadow_confidence": 0.9}


def settings(path, **more):
    return ServeSettings(bundles=(("tiny", path),), **{**OPTIONS, **more})


def infer(url, x, **options):
    given = client.InferInput("x", x.shape, "FP32")
    given.set_data_from_numpy(x)
    with client.InferenceServerClient(url) as triton:
        return triton.infer("tiny", [given], **options)


def send(url, x):
    """Requests of several sizes, one after the other; return how many samples each had, and their exits and scores."""
    found, start = [], 0
    for size in SIZES:
        found.append(infer(url, x[start : start + size]))
        start += size
    return [np.concatenate([each.as_numpy(name) for each in found]) for name in ("exit_index", "exit_confidence")]


@pytest.fixture(scope="module")
def scraped(tiny_bundle):
    """A server after a few requests, some of them refused, with what was answered."""
    with grpc_on_thread(settings(tiny_bundle.path, **SHADOW)) as server:
        exits, scores = send(server.url, tiny_bundle.x)
        for x in (np.zeros((1, 23), np.float32), np.full((1, 24), np.nan, np.float32)):
            with pytest.raises(InferenceServerException):
                infer(server.url, x)
        forced = infer(server.url, tiny_bundle.x, parameters={"max_exit": 0})
        end = time.monotonic() + WAIT_S
        while server.repository.get("tiny").model.statistics().inside:  # watched samples go on behind their answers
            assert time.monotonic() < end, "rows stay between segments"
            time.sleep(0.002)
        yield server, exits, scores, forced


def test_requests_and_samples_are_those_that_were_sent(scraped, scrape):
    server, exits, _, forced = scraped
    page, all_exits = scrape(server.repository), np.concatenate([exits, forced.as_numpy("exit_index")])
    assert page("nv_inference_request_success") == len(SIZES) + 1
    assert page("nv_inference_count") == len(all_exits) == 434
    assert page("nv_inference_request_failure", version="", reason="REJECTED") == 2
    assert page("nv_inference_request_failure", reason="BACKEND") == 0
    for index, name in enumerate(("early", "final")):
        assert page("ee_exit_count", exit=name) == (all_exits == index).sum()
    assert page("nv_inference_pending_request_count") == page("ee_queue_samples") == page("ee_inside_rows") == 0
    assert page("ee_overload_step") == 0


def test_forced_samples_are_those_that_would_have_gone_on(scraped, scrape, tiny_bundle):
    server, _, _, _ = scraped
    with eerun.load(tiny_bundle.path, engine="onnxruntime", threads=2) as model:
        gone_on = (model.infer(tiny_bundle.x).exit_index > 0).sum()
    assert scrape(server.repository)("ee_forced_exit_count") == gone_on > 0


def test_segments(scraped, scrape):
    server, exits, _, _ = scraped
    page = scrape(server.repository)
    first, last = (page("ee_segment_exec_count", segment=str(k)) for k in range(2))
    assert page("nv_inference_exec_count") == first >= len(SIZES) + 400 / 8
    assert 0 < last <= first
    for segment, runs in enumerate((first, last)):
        named = {"segment": str(segment)}
        assert page("ee_segment_batch_size_count", **named) == runs
        assert page("ee_segment_batch_size_bucket", le="+Inf", **named) == runs
        assert page("ee_segment_batch_size_bucket", le="8.0", **named) == runs
        assert page("ee_segment_alive_count", **named) <= page("ee_segment_batch_size_sum", **named)
        assert page("ee_segment_compute_duration_us", **named) > 0
        assert page("ee_boundary_duration_us", **named) >= 0
    assert page("ee_segment_batch_size_sum", segment="0") == 434
    assert page("ee_segment_alive_count", segment="1") >= (exits == 1).sum()


def test_durations_add_up(scraped, scrape):
    server, _, _, _ = scraped
    page = scrape(server.repository)
    total = page("nv_inference_request_duration_us")
    parts = page("nv_inference_queue_duration_us") + page("nv_inference_compute_infer_duration_us")
    assert total == pytest.approx(parts)
    assert total > page("nv_inference_compute_infer_duration_us") > 0
    assert page("ee_request_duration_us_sum") == total
    assert page("ee_request_duration_us_count") == len(SIZES) + 1
    below = [page("ee_request_duration_us_bucket", le=str(bound)) for bound in LATENCY_BOUNDS_US]
    assert below == sorted(below)


def test_confidence_is_the_histogram_of_the_scores(scraped, scrape):
    server, exits, scores, forced = scraped
    page = scrape(server.repository)
    exits = np.concatenate([exits, forced.as_numpy("exit_index")])
    scores = np.concatenate([scores, forced.as_numpy("exit_confidence")])
    for index, name in enumerate(("early", "final")):
        for bound in CONFIDENCE_BOUNDS:
            expected = (scores[exits == index].astype(np.float64) <= bound).sum()
            assert page("ee_exit_confidence_bucket", exit=name, le=str(bound)) == expected
        assert page("ee_exit_confidence_count", exit=name) == (exits == index).sum()


def test_what_is_served_and_watched(scraped, scrape, tiny_bundle):
    server, _, _, _ = scraped
    page, served = scrape(server.repository), server.repository.get("tiny")
    metrics = served.model.metrics
    assert page("ee_threshold", exit="early") == pytest.approx(0.55)
    names = {"engine": "onnxruntime", "precision": "float32", "sha256": served.bundle_sha256}
    assert page("ee_bundle_info", **names) == 1
    assert 0 < metrics.shadowed == page("ee_shadow_total")
    assert page("ee_shadow_disagreement_total") == metrics.disagreements
    assert page("ee_risk_upper_bound") == metrics.high
    assert page("ee_risk_limit") == 0.9
    assert page("ee_fallback_active") == page("ee_fallback_step") == page("ee_shadow_alarm_total") == 0
    assert page("ee_reload_count", version=None) == page("ee_reload_failure_count", version=None) == 0


def test_names_and_kinds_stand_as_they_are_in_the_text(scraped, scrape):
    server, _, _, _ = scraped
    page = scrape(server.repository)
    kinds = {name: kind for name, kind in page.kinds.items() if not name.startswith("process_")}
    assert kinds == {family.name: family.kind for family in FAMILIES}
    assert 'nv_inference_count{model="tiny",version="1"} 434' in page.text
    assert "nv_inference_count_total" not in page.text
    assert page.kinds["process_cpu_seconds_total"] == "counter"
    assert page("process_resident_memory_bytes", model=None, version=None) > 1e6


def test_a_model_that_nobody_watches_has_no_metrics_of_a_shadow(tiny_bundle, scrape):
    with grpc_on_thread(settings(tiny_bundle.path)) as server:
        page = scrape(server.repository)
    assert not [name for name in page.kinds if "shadow" in name or "risk" in name or "fallback" in name]
    assert page("nv_inference_count") == 0


def test_labels_are_escaped():
    sheet, odd = Sheet(), 'a"b\\c\nd'
    sheet.add("nv_inference_count", 7, odd, "1")
    (family,) = text_string_to_metric_families(to_text(sheet.metrics()))
    assert [(sample.labels["model"], sample.value) for sample in family.samples] == [(odd, 7)]


def new_threshold(path, value):
    amend_bundle(
        path,
        lambda manifest: manifest.configurations,
        {"policy/policy.json": PolicyFile(policy="max-probability", thresholds=(value,))},
    )


def totals(page):
    """Sums over the versions of each number that may never fall."""
    found = Counter()
    for (name, labels), value in page.growing().items():
        found[name, tuple((key, label) for key, label in labels if key != "version")] += value
    return found


def test_no_counter_falls_over_reloads(tiny_bundle, tmp_path, scrape):
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    with grpc_on_thread(settings(path)) as server:
        before = scrape(server.repository)
        summed = totals(before)
        for number in range(11):
            infer(server.url, tiny_bundle.x[:5])
            new_threshold(path, 0.5 + 0.01 * number)
            assert server.repository.reload("tiny")
            after = scrape(server.repository)
            grown = totals(after)
            assert [name for name, value in summed.items() if grown[name] < value] == []
            summed = grown
            if number < 8:  # so many versions are remembered one by one
                kept = {key: after.growing().get(key, -1) for key in before.growing()}
                assert [key for key, value in before.growing().items() if kept[key] < value] == []
            before = after
    assert after("ee_reload_count", version=None) == 11
    assert after("nv_inference_count", version="11") == 5
    assert after("nv_inference_count", version="12") == 0
    assert after("ee_threshold", version="12", exit="early") == pytest.approx(0.6)
    versions = {dict(labels)["version"] for name, labels in after.samples if name == "nv_inference_count"}
    assert versions == {"older", *(str(number) for number in range(4, 13))}
    assert after("nv_inference_count", version="older") == 3 * 5
    assert after("ee_segment_batch_size_sum", version="older", segment="0") == 3 * 5
    assert {dict(labels)["version"] for name, labels in after.samples if name == "ee_queue_samples"} == {"12"}


def test_a_bundle_that_is_damaged_is_counted(tiny_bundle, tmp_path, scrape):
    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    with grpc_on_thread(settings(path)) as server:
        (path / "segments/0.onnx").write_bytes(b"no graph")
        with (
            client.InferenceServerClient(server.url) as triton,
            pytest.raises(InferenceServerException, match="INTERNAL"),
        ):
            triton.load_model("tiny")
        page = scrape(server.repository)
        assert page("ee_reload_failure_count", version=None) == 1
        assert page("ee_reload_count", version=None) == 0
        infer(server.url, tiny_bundle.x[:2])
        assert scrape(server.repository)("nv_inference_count") == 2


DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"


def test_the_page_of_the_documentation_has_exactly_these_metrics(scraped, scrape):
    server, _, _, _ = scraped
    rows = [line.split(" | ") for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    documented = {}
    for name, kind, *_ in rows:
        bare, _, labels = name.removeprefix("| ").strip("`").partition("{")
        documented[bare] = (kind, tuple(label for label in labels.strip("}").split(",") if label))
    exported = {family.name: (family.kind, family.labels) for family in (*FAMILIES, *CARD_FAMILIES)}
    own = {
        name: (kind, tuple(label for label in labels if label not in ("model", "version", "pci_bus_id")))
        for name, (kind, labels) in exported.items()
    }
    process = {
        name: (kind, ()) for name, kind in scrape(server.repository).kinds.items() if name.startswith("process_")
    }
    assert documented == {**own, **process}
