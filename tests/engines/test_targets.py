"""The table of targets is consistent, and refusals say why and what to do."""

import itertools
import subprocess
import sys

import pytest

from eengines import targets
from eengines.errors import UserError
from eengines.targets import PRECISIONS, TARGETS, check_precision, target_by_name


def version(text: str | None) -> tuple[int, ...]:
    """Comparable; the current TensorRT is above all."""
    return (99,) if text is None else tuple(int(part) for part in text.split("."))


def test_rows_are_consistent():
    for name, target in TARGETS.items():
        assert target.name == name == name.lower()
        assert target.words
        assert set(target.tensor_core_precisions) < set(PRECISIONS)
        assert set(target.tensor_core_precisions) <= set(target.precisions) <= set(PRECISIONS)
        assert "float32" in target.precisions


def test_every_gpu_has_sources_that_are_listed():
    for target in TARGETS.values():
        assert bool(target.sources) == (target.compute_capability is not None)
        for key in target.sources:
            assert f"\n    {key} " in str(targets.__doc__)


def test_newer_gpus_never_support_less():
    gpus = sorted((t for t in TARGETS.values() if t.compute_capability), key=lambda t: t.compute_capability)
    for older, newer in itertools.pairwise(gpus):
        assert version(older.last_tensorrt) <= version(newer.last_tensorrt)
        assert older.onnx_opset <= newer.onnx_opset
        assert set(older.precisions) <= set(newer.precisions)
        assert set(older.tensor_core_precisions) <= set(newer.tensor_core_precisions)


@pytest.mark.parametrize(
    ("name", "sm", "tensorrt", "opset"),
    [
        ("p100", "sm_60", "8.6.1", 17),
        ("v100", "sm_70", "10.4.0", 20),
        ("t4", "sm_75", None, 25),
        ("h200", "sm_90", None, 25),
        ("b200", "sm_100", None, 25),
        ("cpu", "cpu", None, None),
    ],
)
def test_known_facts(name, sm, tensorrt, opset):
    target = target_by_name(name)
    assert (target.sm, target.last_tensorrt, target.onnx_opset) == (sm, tensorrt, opset)


def test_unknown_target_lists_the_known_ones():
    with pytest.raises(UserError, match=r"--target: got 'p40', known are cpu, p100, .*h200.*Choose one of these"):
        target_by_name("p40")


@pytest.mark.parametrize(
    ("name", "precision", "message"),
    [
        (
            "p100",
            "int8",
            r"--target p100: got int8 on sm_60, .*\(DP4A\) came with sm_61. Use --fp16, or .* sm_61 or later",
        ),
        ("p100", "bfloat16", r"--target p100: got bfloat16 on sm_60"),
        ("v100", "bfloat16", r"--target v100: got bfloat16 on sm_70, .* sm_80. Use --fp16"),
        ("t4", "bfloat16", r"--target t4: got bfloat16 on sm_75, .* sm_80. Use --fp16"),
        ("cpu", "float8", r"precision: got 'float8', known are float32, float16, bfloat16, int8"),
    ],
)
def test_refusals(name, precision, message):
    with pytest.raises(UserError, match=message):
        check_precision(target_by_name(name), precision)


def test_everything_else_passes():
    refused = set()
    for target in TARGETS.values():
        for precision in PRECISIONS:
            try:
                check_precision(target, precision)
            except UserError:
                refused.add((target.name, precision))
    assert refused == {("p100", "int8"), ("p100", "bfloat16"), ("v100", "bfloat16"), ("t4", "bfloat16")}


def test_the_table_imports_nothing_heavy():
    code = "import sys, eengines.targets; print(sorted({'numpy', 'onnx', 'tensorrt', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
