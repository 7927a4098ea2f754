"""Settings that do not fit, and what `auto` becomes."""

import pytest
import torch

from eecompile.train import arithmetic
from eecompile.train.arithmetic import choose_arithmetic
from eecompile.train.settings import TrainSettings
from eengines.errors import UserError


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mode": "half"}, "--mode: got 'half', expected one of frozen, joint"),
        ({"batch": 1}, "--train-batch: got 1, expected 2 or more"),
        ({"learning_rate": float("nan")}, "--learning-rate: got nan, expected more than 0"),
        ({"cache_bytes": -1}, "--cache-size: got -1, expected 0 or more"),
        ({"views": 2}, "--views: got 2 without augmentation, which would make equal copies"),
        ({"alpha": 1.5}, "--alpha: got 1.5, expected 0 to 1"),
        ({"validation": 1.0}, "--validation: got 1.0, expected a share"),
    ],
    ids=lambda value: next(iter(value), None) if isinstance(value, dict) else "",
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        TrainSettings(**wrong)


@pytest.mark.parametrize(("flags", "dtype"), [("fpu avx512_bf16", "float32"), ("fpu amx_bf16 amx_tile", "bfloat16")])
def test_a_cpu_with_units_for_bfloat16_uses_them(flags, dtype, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    monkeypatch.setattr(arithmetic, "CPU_FLAGS", tmp_path / "cpuinfo")
    chosen = choose_arithmetic(TrainSettings(device="cpu"))
    assert str(chosen) == f"CPU, {dtype}"
    assert chosen.stored is getattr(torch, dtype)
    with chosen.mixed():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is chosen.dtype


def test_float16_needs_a_gpu():
    with pytest.raises(UserError, match="--train-precision float16: got a CPU, expected a GPU"):
        choose_arithmetic(TrainSettings(device="cpu", precision="float16"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU")
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"--train-device cuda: torch .* sees no GPU"):
        choose_arithmetic(TrainSettings(device="cuda"))
