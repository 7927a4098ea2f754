"""A rival is found by name; what it lacks is said in one line."""

from pathlib import Path

import pytest

from eengines.errors import UserError
from eerun.bench import RIVALS, BenchSettings, run_bench, text_report
from eerun.bench.rivals import RivalEntry, load_rival
from eerun.policies import policy_by_name

ONE_BY_ONE = """
import numpy as np
import eerun

def make_rival(model, factory, thresholds, policy, threads, group_exit):
    loaded = eerun.load(model.with_suffix(".ee"), threads=threads)
    assert (loaded.thresholds, policy.name) == (thresholds, "max-probability")

    def answer(inputs):
        results = [loaded.infer(inputs["x"][i : i + 1]) for i in range(len(inputs["x"]))]
        return np.concatenate([r.labels for r in results]), np.concatenate([r.exit_index for r in results])

    return answer
"""


def load(name: str, model: Path):
    return load_rival(name, model, factory=None, thresholds=(0.5,), policy=policy_by_name("margin"), threads=2)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(b"")
    return path


def test_a_rival_takes_part_in_the_run(tiny_bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "one_by_one_rival.py").write_text(ONE_BY_ONE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(RIVALS, "torch", RivalEntry("one_by_one_rival:make_rival", "one by one"))
    model = tiny_bundle.path.with_suffix(".pt")
    model.write_bytes(b"")
    settings = BenchSettings(
        bundle=tiny_bundle.path, batch=8, duration_s=0.1, warm_up_ms=0.0, threads=2, against="torch"
    )
    result = run_bench(settings, lambda _: None)
    rival = result.rival
    assert rival is not None
    assert (rival.same_label, rival.same_exit) == (1.0, 1.0)
    assert rival.calls >= 5
    assert rival.samples == 4 * rival.calls
    assert "x the speed of one by one (95 % interval " in text_report(result)


def test_unknown_rival(model_file: Path):
    with pytest.raises(UserError, match="got 'tensorflow', known are torch"):
        load("tensorflow", model_file)


def test_missing_model(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.pt: no such file"):
        load("torch", tmp_path / "none.pt")


def test_a_missing_library_names_the_extra(model_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(RIVALS, "torch", RivalEntry("eecompile.not_there:make_rival", "nothing"))
    with pytest.raises(UserError, match=r"needs eecompile\.not_there, which is not installed.*eecompile\[compile\]"):
        load("torch", model_file)


def test_a_library_that_is_missing_only_when_the_rival_is_made(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "late_rival.py").write_text("def make_rival(*_):\n    import torch.not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(RIVALS, "torch", RivalEntry("late_rival:make_rival", "late"))
    with pytest.raises(UserError, match=r"--against torch: needs torch"):
        load("torch", model_file)


def test_a_defect_in_a_rival_keeps_its_traceback(model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken_rival.py").write_text("def make_rival(*_):\n    import not_there_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(RIVALS, "torch", RivalEntry("broken_rival:make_rival", "broken"))
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        load("torch", model_file)


def test_the_real_rivals_module_is_where_the_table_says():
    module = RIVALS["torch"].function.partition(":")[0]
    root = Path(__file__).parents[3] / "eecompile"
    assert (root / f"{module.replace('.', '/')}.py").is_file()
