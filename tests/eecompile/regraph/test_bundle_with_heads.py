"""A bundle whose heads are graphs of their own runs on the host, is measured by the bench, and refused on a device."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import CLASSES

import eerun
from eecompile.regraph import rescore, split_heads
from eengines.devices.cpu import CpuDevice
from eengines.errors import EngineError
from eerun.bench.cost_meter import CostMeter
from eerun.bench.oracle import break_even_share, oracle_ms
from eerun.bundle import (
    SCHEMA,
    BundleWriter,
    ConfigurationEntry,
    InputEntry,
    Manifest,
    PolicyFile,
    SegmentEntry,
    open_bundle,
)
from eerun.choose_configuration import choose_configuration
from eerun.costs import CostTable
from eerun.policies import parameters_of

BUCKETS = (2, 8)


@pytest.fixture(scope="module")
def chain(chain_of):
    """Four exits; samples are tested first at exit 1."""
    drawn = chain_of("predictive-exit", seed=7, count=4, with_mask=False, with_shape=False)
    policy = replace(drawn.policy, start=1)
    return replace(drawn, policy=policy, segments=rescore(drawn.segments, policy, drawn.names))


@pytest.fixture(scope="module")
def thresholds(chain, run_all_graphs):
    """At each exit half of the samples that it tests would leave."""
    scores = run_all_graphs(chain.segments, chain.maker.inputs(50, seed=3))
    tested = [scores[f"score_{k}"][scores[f"score_{k}"] >= 0] for k in (1, 2)]
    return (None, *(float(np.median(each)) if len(each) else 0.5 for each in tested))


@pytest.fixture(scope="module")
def write(chain, chain_of, thresholds, tmp_path_factory):
    """Write the chain as a bundle: `(heads)`."""

    def make(*, heads: bool):
        graphs, own = split_heads(chain.segments, chain.names) if heads else (chain.segments, ())
        whole = chain_of("margin", seed=7, count=4, exits=[3], with_mask=False, with_shape=False).segments[0]
        path = tmp_path_factory.mktemp("heads") / "net.ee"
        files = {f"segments/{k}.onnx": graph for k, graph in enumerate(graphs)}
        head_files = {f"segments/head_{k}.onnx": graph for k, graph in enumerate(own)}
        costs = CostTable(
            engine="onnxruntime",
            precision="float32",
            device="test",
            buckets=BUCKETS,
            segment_ms=((1.0, 2.0),) * 4,
            whole_ms=(3.0, 6.0),
            move_ms=(0.01,) * 3,
            head_ms=((0.5, 1.0),) * len(own),
        )
        policy = PolicyFile(policy=chain.policy.name, thresholds=thresholds, parameters=parameters_of(chain.policy))
        with BundleWriter(path) as writer:
            for name, graph in (files | head_files | {"segments/whole.onnx": whole}).items():
                writer.add(name, graph)
            writer.add_json("policy/policy.json", policy)
            writer.add_json("costs/costs.json", costs)
            writer.add_json("report/summary.json", {})
            writer.finish(manifest_of(chain, tuple(files), tuple(head_files)))
        return path

    return make


def manifest_of(chain, files, heads) -> Manifest:
    way = ConfigurationEntry(
        engine="onnxruntime",
        precision="float32",
        segments=files,
        whole="segments/whole.onnx",
        policy="policy/policy.json",
        costs="costs/costs.json",
        agreement=None,
        heads=heads,
    )
    return Manifest(
        schema=SCHEMA,
        producer={"eecompile": "test"},
        source="net.onnx",
        source_sha256="0" * 64,
        task="classification",
        classes=None,
        inputs=tuple(InputEntry(name=s.name, dtype=s.dtype, shape=s.shape) for s in chain.inputs),
        exits=tuple(each.logits for each in chain.names),
        segments=tuple(
            SegmentEntry(file=file, logits=e.logits, score=e.score, nodes=1, macs=1, parameters=1, boundary_bytes=0)
            for file, e in zip(files, chain.names, strict=True)
        ),
        whole="segments/whole.onnx",
        whole_output="exit_3",
        whole_macs=1,
        configurations=(way,),
        targets=(),
        ranges=None,
        report="report/summary.json",
        splits={},
        split_seed=0,
    )


@pytest.fixture(scope="module")
def path(write):
    return write(heads=True)


def test_it_answers_like_the_bundle_with_heads_in_segments(write, path, chain):
    inputs = chain.maker.inputs(20, seed=4)
    answers = [eerun.load(each, engine="onnxruntime", threads=2).infer(inputs) for each in (path, write(heads=False))]
    assert answers[0].outputs.shape == (20, CLASSES)
    assert len(set(answers[0].exit_index.tolist())) > 1
    assert (answers[0].exit_index > 0).all()
    for field in ("outputs", "exit_index", "confidence"):
        assert np.array_equal(getattr(answers[0], field), getattr(answers[1], field))


def test_the_chain_knows_how_the_policy_skips(path):
    made = choose_configuration(open_bundle(path), engine="onnxruntime").chain()
    assert made.skipping is not None
    assert (made.skipping.due, made.skipping.first_exit, made.skipping.state) == ("due", 1, ("due",))
    assert [segment.head is None for segment in made.segments] == [False, False, False, True]


def test_the_bench_measures_heads_and_counts_them(path):
    way = choose_configuration(open_bundle(path), engine="onnxruntime")
    executor, whole, costs = way.open_chain(threads=2), way.open_whole(threads=2), way.costs()
    meter = CostMeter(executor, whole, costs, batch=8)
    while meter.rounds < 1:
        meter.catch_up(meter.spent_ns + 1)
    table = meter.table()
    assert len(table.head_ms) == 3
    assert all(value > 0 for row in table.head_ms for value in row)
    inputs = {"x": np.zeros((8, 6), np.float32)}
    empty = eerun.executor.Answers(
        outputs=np.empty((8, CLASSES), np.float32),
        exit_index=np.empty(8, np.int32),
        confidence=np.empty(8, np.float32),
    )
    (steps,) = executor.infer(inputs, (0.0, 0.0, 0.0), empty)
    assert [(step.entered, step.tested) for step in steps] == [(8, 0), (8, 8)]
    assert oracle_ms(costs, steps) == pytest.approx(2.0 + 2.0 + 1.0)
    share = break_even_share(costs, 8)
    assert share is not None
    assert break_even_share(replace(costs, head_ms=()), 8) < share


def test_a_device_has_one_graph_a_segment(path):
    with pytest.raises(EngineError, match=r"(?s)heads are graphs of their own.*tune again with --no-split-heads"):
        eerun.load(path, engine="onnxruntime", device=CpuDevice())
