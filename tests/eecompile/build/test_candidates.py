"""Which engines and precisions a build tries, and what it says of those that it does not."""

import importlib.util
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from eecompile.build.candidates import PORTABLE, Candidate, find_candidates
from eecompile.build.settings import BuildSettings
from eengines.backends import load_backend
from eengines.errors import EngineError, UserError


@pytest.fixture
def without_openvino(monkeypatch):
    """A machine where openvino is not installed, as the backend finds out."""
    real = importlib.util.find_spec
    monkeypatch.setattr("eengines.backends.openvino.find_spec", lambda name: None if name == "openvino" else real(name))


def test_the_portable_one_is_first_and_every_fast_engine_is_tried():
    found, _ = find_candidates(BuildSettings(), calibrated=True)
    assert next(iter(found)) == PORTABLE
    able = load_backend("openvino").probe().precisions
    expected = {("onnxruntime", "float32"), ("onnxruntime", "int8"), ("openvino", "float32")}
    expected |= {("openvino", name) for name in ("bfloat16", "int8") if name in able}
    assert {(c.engine, c.precision) for c in found} == expected
    assert all(backend.name == candidate.engine for candidate, backend in found.items())


def test_without_openvino_onnxruntime_alone_and_the_reason(without_openvino):
    found, reasons = find_candidates(BuildSettings(), calibrated=True)
    assert {c.engine for c in found} == {"onnxruntime"}
    assert reasons == ("openvino is not tried: openvino is not installed: pip install 'eecompile[cpu]'",)


def test_openvino_asked_for_and_missing_is_an_error(without_openvino):
    with pytest.raises(EngineError, match=r"engine openvino: openvino is not installed: pip install 'eecompile\[cpu\]"):
        find_candidates(BuildSettings(engine="openvino"), calibrated=True)


def test_a_process_that_cannot_import_openvino_builds_all_the_same(plain, tmp_path):
    program = f"""
        import sys

        class NoOpenVino:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "openvino":
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
                return None

        import importlib.util
        real = importlib.util.find_spec
        importlib.util.find_spec = lambda name, package=None: None if name == "openvino" else real(name, package)
        sys.meta_path.insert(0, NoOpenVino())
        sys.argv = ["eecompile", "build", {str(plain.path)!r}, "-o", {str(tmp_path / "o.ee")!r}, "-v",
                    "--input-dtype", "uint8", "--scale", "0.0078125", "--mean", "1", "--std", "1",
                    "--threads", "2", "--max-batch", "8", "--buckets", "1,8", "--measure-seconds", "0"]
        from eecompile.cli.main import main
        main()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "openvino is not tried" in " ".join((done.stdout + done.stderr).split())
    graphs = {path.name for path in (tmp_path / "o.ee" / "graphs").glob("*")}
    assert graphs <= {"onnxruntime-int8"}


def test_without_calibration_data_int8_is_not_tried_and_said_so():
    found, reasons = find_candidates(BuildSettings(), calibrated=False)
    assert "int8" not in {c.precision for c in found}
    assert "onnxruntime int8 is not tried: there are no data to calibrate with" in reasons


def test_int8_without_calibration_data_is_refused():
    with pytest.raises(UserError, match=r"--int8: there are no data to calibrate with\. Give --data"):
        find_candidates(BuildSettings(int8=True), calibrated=False)
    with pytest.raises(UserError, match="there are no data to calibrate with"):
        find_candidates(BuildSettings(int8=True, target="t4"), calibrated=False)


def test_float16_is_tried_only_if_asked_for():
    found, _ = find_candidates(BuildSettings(fp16=True), calibrated=True)
    assert Candidate(engine="onnxruntime", precision="float16") in found
    assert Candidate(engine="openvino", precision="float16") in found


def test_an_engine_outside_the_usual_is_added_when_asked_for():
    found, _ = find_candidates(BuildSettings(engine="reference"), calibrated=True)
    assert Candidate(engine="reference", precision="float32") in found
    assert PORTABLE in found


def test_unknown_engine():
    with pytest.raises(UserError, match="--engine: got 'tensorflow', known are auto, onnxruntime"):
        find_candidates(BuildSettings(engine="tensorflow"), calibrated=True)


def test_a_precision_that_the_engine_lacks_names_what_there_is():
    settings = replace(BuildSettings(precision="bfloat16"), engine="onnxruntime")
    with pytest.raises(UserError, match="this machine has no bfloat16") as caught:
        find_candidates(settings, calibrated=True)
    assert "--engine onnxruntime --precision bfloat16" in caught.value.where
    assert "onnxruntime float32" in caught.value.remedy
