"""A bundle with made-up files, for tests of the format alone."""

from pathlib import Path

from eerun.bundle import SCHEMA, BundleWriter, ConfigurationEntry, InputEntry, Manifest, PolicyFile, SegmentEntry
from eerun.costs import CostTable


def configuration(**changes) -> ConfigurationEntry:
    fields = {
        "engine": "onnxruntime",
        "precision": "float32",
        "segments": ("segments/0.onnx", "segments/1.onnx"),
        "whole": "segments/whole.onnx",
        "policy": "policy/policy.json",
        "costs": "costs/costs.json",
        "agreement": None,
    }
    return ConfigurationEntry(**{**fields, **changes})


def manifest(**changes) -> Manifest:
    fields = {
        "schema": SCHEMA,
        "producer": {"eecompile": "test"},
        "source": "model.pt",
        "source_sha256": "0" * 64,
        "task": "classification",
        "classes": None,
        "inputs": (InputEntry(name="x", dtype="float32", shape=(3,)),),
        "exits": ("a", "b"),
        "segments": tuple(
            SegmentEntry(
                file=f"segments/{k}.onnx",
                logits="l",
                score="s",
                nodes=1,
                macs=1,
                parameters=1,
                boundary_bytes=0,
            )
            for k in range(2)
        ),
        "whole": "segments/whole.onnx",
        "whole_output": "l",
        "whole_macs": 2,
        "configurations": (configuration(),),
        "targets": (),
        "ranges": None,
        "report": "report/summary.json",
        "splits": {},
        "split_seed": 0,
    }
    return Manifest(**{**fields, **changes})


def write(target: Path, *, content: bytes = b"graph", **changes) -> None:
    with BundleWriter(target) as writer:
        for name in ("segments/0.onnx", "segments/1.onnx", "segments/whole.onnx"):
            writer.add(name, content + name.encode())
        writer.add_json("policy/policy.json", PolicyFile(policy="margin", thresholds=(0.5,)))
        costs = CostTable(
            engine="onnxruntime",
            precision="float32",
            device="test",
            buckets=(1, 4),
            segment_ms=((1.0, 2.0), (1.0, 2.0)),
            whole_ms=(2.0, 4.0),
            move_ms=(0.01,),
        )
        writer.add_json("costs/costs.json", costs)
        writer.add_json("report/summary.json", {})
        writer.finish(manifest(**changes))
