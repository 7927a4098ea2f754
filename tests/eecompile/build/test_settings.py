"""What a build refuses before it reads anything."""

import math

import pytest

from eecompile.build.settings import BuildSettings, default_buckets
from eengines.errors import UserError

REFUSED = [
    ({"max_drop": 1.01}, r"--max-drop: got 1.01, expected 0% to 100%"),
    ({"max_drop": -0.01}, "--max-drop"),
    ({"max_drop": math.nan}, "--max-drop"),
    ({"max_quant_drop": 1.5}, r"--max-quant-drop: got 1.5, expected 0% to 100%"),
    ({"max_quant_drop": -1e-9}, "--max-quant-drop"),
    ({"max_quant_drop": math.nan}, "--max-quant-drop"),
    ({"calibrate_on": "some"}, "--calibrate-on: got 'some', expected survivors or all"),
    ({"precision": "int4"}, "--precision: got 'int4', known are auto, float32, float16, bfloat16, int8"),
    ({"int8": True, "precision": "float16"}, "--int8: got it together with --precision float16"),
    ({"int8": True, "precision": "float32"}, "--int8: got it together with --precision float32"),
    ({"fp16": True, "precision": "int8"}, "--fp16: got it together with --precision int8"),
    ({"fp16": True, "precision": "bfloat16"}, "--fp16: got it together with --precision bfloat16"),
    ({"int8": True, "fp16": True}, "--int8 --fp16: on a CPU what is not INT8 stays float32"),
    ({"int8": True, "fp16": True, "precision": "float16", "target": "t4"}, "--int8: got it together with --precision"),
    ({"target": "p200"}, "--target: got 'p200', known are cpu, p100"),
    ({"target": "p100", "int8": True}, r"--target p100: got int8 on sm_60, which has no INT8: .*Use --fp16"),
    ({"target": "p100", "int8": True, "fp16": True}, "--target p100: got int8 on sm_60"),
    ({"target": "p100", "precision": "int8"}, "--target p100: got int8 on sm_60"),
    ({"target": "v100", "precision": "bfloat16"}, "--target v100: got bfloat16 on sm_70"),
    ({"seed": -1}, "--seed: got -1"),
    ({"max_batch": 0, "buckets": None}, "--max-batch: got 0"),
    ({"measure_seconds": -0.5}, "--measure-seconds: got -0.5"),
    ({"buckets": ()}, "--buckets"),
    ({"buckets": (0, 32)}, "--buckets"),
    ({"buckets": (1, 64)}, "--buckets: got .1, 64., expected positive numbers up to the largest batch 32"),
    ({"buckets": (1, 16)}, "--buckets"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_refused_with_flag_got_expected_and_remedy(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        BuildSettings(**changes)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_ends_of_the_bounds_are_allowed(value):
    settings = BuildSettings(max_drop=value, max_quant_drop=value, measure_seconds=0, max_batch=1, seed=0)
    assert settings.row_buckets(1) == (1,)


@pytest.mark.parametrize(
    ("changes", "wanted", "here"),
    [
        ({}, "auto", "auto"),
        ({"int8": True}, "int8", "int8"),
        ({"int8": True, "precision": "int8"}, "int8", "int8"),
        ({"fp16": True, "precision": "float16"}, "float16", "float16"),
        ({"precision": "bfloat16"}, "bfloat16", "bfloat16"),
        ({"int8": True, "target": "t4"}, "int8", "auto"),
        ({"fp16": True, "target": "p100"}, "float16", "auto"),
        ({"int8": True, "fp16": True, "target": "t4"}, "int8", "auto"),
        ({"precision": "bfloat16", "target": "a100"}, "bfloat16", "auto"),
    ],
)
def test_with_a_gpu_target_the_wish_is_for_the_gpu(changes, wanted, here):
    settings = BuildSettings(**changes)
    assert (settings.wanted, settings.wanted_here) == (wanted, here)
    assert settings.accepts("onnxruntime", "float32") == (here == "auto")


def test_accepts_by_engine_and_precision():
    settings = BuildSettings(engine="openvino", int8=True)
    assert settings.accepts("openvino", "int8")
    assert not settings.accepts("openvino", "bfloat16")
    assert not settings.accepts("onnxruntime", "int8")


@pytest.mark.parametrize("max_batch", [1, 2, 3, 32, 33, 100])
def test_default_buckets_are_powers_of_two_and_the_largest_batch(max_batch):
    buckets = default_buckets(max_batch)
    assert buckets[-1] == max_batch
    assert list(buckets) == sorted(set(buckets))
    assert all(bucket & (bucket - 1) == 0 for bucket in buckets[:-1])
    assert all(2 * bucket >= max_batch for bucket in buckets[-2:-1])


def test_buckets_by_hand_are_sorted_and_unique():
    assert BuildSettings(max_batch=8, buckets=(8, 1, 4, 4)).row_buckets(1) == (1, 4, 8)


def test_several_targets():
    settings = BuildSettings(target="t4, v100,t4,cpu")
    assert [target.name for target in settings.targets] == ["t4", "v100", "cpu"]
    assert [target.name for target in settings.gpus] == ["t4", "v100"]
    with pytest.raises(UserError, match="p100: got int8 on sm_60"):
        BuildSettings(target="t4,p100", int8=True)
    with pytest.raises(UserError, match="got 'x', known are"):
        BuildSettings(target="t4,x")
    assert BuildSettings().gpus == ()
