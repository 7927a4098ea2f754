"""Which of a bundle's configurations runs: by hand, by what is here, and what is said about the rest."""

import importlib.util
import json
import logging
import shutil

import numpy as np
import pytest

import eerun
from eengines.backends import load_backend
from eengines.errors import EngineError, UserError
from eerun.bundle import open_bundle
from eerun.choose_configuration import choose_configuration, usable_configurations

ORDER = ("openvino-bfloat16", "openvino-float32", "onnxruntime-int8", "onnxruntime-float32")


@pytest.fixture
def bundle_of(tiny_bundle, tmp_path):
    """The bundle with other configurations, all on the same float32 graphs: `(names, first the fastest)`."""

    def make(*names: str):
        path = tmp_path / "tiny.ee"
        shutil.copytree(tiny_bundle.path, path)
        manifest = json.loads((path / "manifest.json").read_text())
        entry = manifest["configurations"][0]
        parts = [name.rpartition("-") for name in names]
        manifest["configurations"] = [{**entry, "engine": e, "precision": p} for e, _, p in parts]
        (path / "manifest.json").write_text(json.dumps(manifest))
        return open_bundle(path)

    return make


@pytest.fixture
def without(monkeypatch):
    """Make a library missing, as its backend finds out."""
    real = importlib.util.find_spec

    def remove(library: str) -> None:
        monkeypatch.setattr(
            f"eengines.backends.{library}.find_spec", lambda name: None if name == library else real(name)
        )

    return remove


@pytest.fixture
def slow_openvino(monkeypatch):
    """OpenVINO on a processor that has float32 alone."""
    from eengines.backends.openvino import OpenVinoBackend
    from eengines.engine import Capability

    capability = Capability(ok=True, reason="openvino is installed", precisions=frozenset({"float32"}))
    monkeypatch.setattr(OpenVinoBackend, "probe", lambda _: capability)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"precision": "float32"}, "openvino-float32"),
        ({"engine": "onnxruntime"}, "onnxruntime-int8"),
        ({"engine": "onnxruntime", "precision": "float32"}, "onnxruntime-float32"),
        ({"precision": "int8"}, "onnxruntime-int8"),
        ({"engine": "openvino", "precision": "float32"}, "openvino-float32"),
    ],
)
def test_by_hand_the_first_that_fits(bundle_of, asked, expected, caplog):
    with caplog.at_level(logging.WARNING, "eerun"):
        way = choose_configuration(bundle_of(*ORDER), **asked)
    assert way.name == way.entry.name == expected
    assert way.words == expected.replace("-", " ")
    assert caplog.text == ""


def test_auto_takes_the_first_that_the_build_chose(bundle_of):
    assert choose_configuration(bundle_of(*reversed(ORDER))).name == "onnxruntime-float32"


def test_a_missing_engine_falls_back_to_the_next_and_says_so(bundle_of, without, caplog):
    without("openvino")
    with caplog.at_level(logging.WARNING, "eerun"):
        way = choose_configuration(bundle_of(*ORDER))
    assert way.name == "onnxruntime-int8"
    (record,) = caplog.records
    assert "running onnxruntime int8" in record.getMessage()
    assert "openvino-float32: openvino is not installed: pip install" in record.getMessage()


def test_a_precision_that_this_machine_lacks_falls_back(bundle_of, slow_openvino, caplog):
    with caplog.at_level(logging.WARNING, "eerun"):
        way = choose_configuration(bundle_of(*ORDER))
    assert way.name == "openvino-float32"
    assert "openvino-bfloat16: this machine's openvino has no bfloat16" in caplog.text


def test_an_engine_that_this_version_does_not_know_falls_back(bundle_of, caplog):
    with caplog.at_level(logging.WARNING, "eerun"):
        way = choose_configuration(bundle_of("tensorrt_9000-float32", "onnxruntime-float32"))
    assert way.name == "onnxruntime-float32"
    assert "this eerun has no engine 'tensorrt_9000'" in caplog.text


def test_an_engine_without_a_configuration_runs_the_float32_graphs(bundle_of):
    way = choose_configuration(bundle_of(*ORDER), engine="reference")
    assert (way.name, way.entry.name) == ("reference-float32", "openvino-float32")
    assert way.costs().max_batch == 8


@pytest.mark.parametrize("precision", ["int8", "bfloat16"])
def test_an_engine_without_that_precision_is_a_user_error_with_the_list(bundle_of, precision):
    with pytest.raises(UserError, match=f"--engine reference --precision {precision}") as caught:
        choose_configuration(bundle_of(*ORDER), engine="reference", precision=precision)
    assert all(name in caught.value.problem for name in ORDER)


def test_a_precision_that_the_bundle_lacks(bundle_of):
    with pytest.raises(UserError, match="it has no configuration for --engine auto --precision float16"):
        choose_configuration(bundle_of(*ORDER), precision="float16")


@pytest.mark.parametrize(("engine", "precision"), [("tensorflow", "auto"), ("auto", "int4"), ("", "auto")])
def test_unknown_names(bundle_of, engine, precision):
    with pytest.raises(UserError, match="known are auto, "):
        choose_configuration(bundle_of(*ORDER), engine=engine, precision=precision)


def test_asked_for_and_missing_is_an_engine_error(bundle_of, without):
    without("openvino")
    bundle = bundle_of(*ORDER)
    with pytest.raises(EngineError, match="openvino is not installed"):
        choose_configuration(bundle, engine="openvino")
    with pytest.raises(EngineError, match="openvino-bfloat16: openvino is not installed"):
        choose_configuration(bundle, precision="bfloat16")


def test_nothing_usable_at_all(bundle_of, without):
    without("openvino")
    with pytest.raises(EngineError, match="openvino is not installed"):
        choose_configuration(bundle_of("openvino-float32"))


def test_usable_configurations_and_the_reasons_for_the_rest(bundle_of, without):
    bundle = bundle_of(*ORDER)
    able = load_backend("openvino").probe().precisions
    found, reasons = usable_configurations(bundle)
    assert [way.name for way in found] == [n for n in ORDER if "bfloat16" not in n or "bfloat16" in able]
    assert len(found) + len(reasons) == len(ORDER)
    without("openvino")
    found, reasons = usable_configurations(bundle)
    assert [way.name for way in found] == list(ORDER[2:])
    assert len(reasons) == 2


@pytest.mark.parametrize("engine", ["auto", "onnxruntime", "openvino", "reference"])
def test_load_runs_what_it_says(tiny_bundle, engine):
    model = eerun.load(tiny_bundle.path, engine=engine, threads=2)
    assert model.engine == ("onnxruntime" if engine == "auto" else engine)
    assert model.precision == "float32"
    expected = eerun.load(tiny_bundle.path, engine="onnxruntime", precision="float32", threads=2)
    x = tiny_bundle.x[:20]
    assert np.allclose(model.infer(x, exits=False).outputs, expected.infer(x, exits=False).outputs, atol=1e-4)


def test_load_with_unknown_names(tiny_bundle):
    with pytest.raises(UserError, match="--engine: got 'magic'"):
        eerun.load(tiny_bundle.path, engine="magic")
    with pytest.raises(UserError, match="--precision: got 'int3'"):
        eerun.load(tiny_bundle.path, precision="int3")
    with pytest.raises(UserError, match="it has no configuration for --engine auto --precision int8"):
        eerun.load(tiny_bundle.path, precision="int8")
