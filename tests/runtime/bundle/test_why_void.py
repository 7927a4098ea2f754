"""A certificate is void when anything that it rests on has changed, and says what."""

import hashlib
from dataclasses import replace

import msgspec
import pytest

from eengines.errors import BundleError
from eerun.bundle import (
    UNKNOWN_VERSION,
    Certificate,
    Fallback,
    PolicyFile,
    amend_bundle,
    graphs_of,
    open_bundle,
    policy_digest,
    why_void,
)

HERE = {"engine": "onnxruntime", "engine_version": "1.2", "processor": "a processor"}


@pytest.fixture
def bundle(tiny_bundle):
    return open_bundle(tiny_bundle.path)


@pytest.fixture
def certified(bundle) -> PolicyFile:
    entry = bundle.manifest.configurations[0]
    policy = PolicyFile(
        policy="max-probability",
        thresholds=(0.55,),
        fallbacks=(Fallback(thresholds=(0.9,), bound=0.004, disagreement=0.01),),
    )
    certificate = Certificate(
        risk="accuracy drop",
        limit=0.01,
        confidence=0.95,
        method="betting",
        samples=1000,
        bound=0.008,
        disagreement=0.02,
        split_sha256="0" * 64,
        graphs_sha256=graphs_of(bundle.manifest, entry),
        policy_sha256=policy_digest(policy),
        engine="onnxruntime",
        engine_version="1.2",
        precision="float32",
        processor="a processor",
    )
    return replace(policy, certificate=certificate)


def void(bundle, policy, *, manifest=None, **here):
    manifest = manifest or bundle.manifest
    return why_void(policy.certificate, manifest, manifest.configurations[0], policy, **{**HERE, **here})


def test_it_holds_as_it_was_certified_also_after_it_was_stored(bundle, certified):
    assert void(bundle, certified) is None
    stored = msgspec.json.decode(msgspec.json.encode(certified), type=PolicyFile)
    assert stored == certified
    assert void(bundle, stored) is None


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"thresholds": (0.5,)}, "thresholds are not those"),
        ({"thresholds": (None,)}, "thresholds are not those"),
        ({"policy": "margin"}, "thresholds are not those"),
        ({"parameters": {"weights": [1.0]}}, "thresholds are not those"),
        ({"fallbacks": ()}, "thresholds are not those"),
    ],
)
def test_another_policy(bundle, certified, changed, words):
    assert words in void(bundle, replace(certified, **changed))


@pytest.mark.parametrize("name", HERE)
def test_another_engine_version_or_processor(bundle, certified, name):
    said = void(bundle, certified, **{name: "another"})
    assert said == f"{name.replace('_', ' ')} {HERE[name]!r} was certified, here is 'another'"


def test_how_numbers_are_written_for_the_digest_of_the_policy():
    policy = PolicyFile(
        policy="é",
        parameters={"weights": [1.0, 0.1, 1e16, 1.5e-7, 2e-5], "classes": 10},
        thresholds=(1.0, None),
        fallbacks=(Fallback(thresholds=(1, None), bound=0.004, disagreement=1e-6),),
    )
    stored = msgspec.json.decode(msgspec.json.encode(policy), type=PolicyFile)
    written = (
        '["é",{"classes":10,"weights":[1.0,0.1,1e16,1.5e-7,0.00002]},[1.0,null],'
        '[{"bound":0.004,"disagreement":1e-6,"thresholds":[1.0,null]}]]'
    )
    assert policy_digest(stored) == hashlib.sha256(written.encode()).hexdigest()


@pytest.mark.parametrize("was", ["1.2", UNKNOWN_VERSION])
def test_an_engine_version_that_is_not_known_never_holds(bundle, certified, was):
    certified = replace(certified, certificate=replace(certified.certificate, engine_version=was))
    assert "version" in void(bundle, certified, engine_version=UNKNOWN_VERSION)


def test_another_precision(bundle, certified):
    entry = replace(bundle.manifest.configurations[0], precision="int8")
    manifest = replace(bundle.manifest, configurations=(entry,))
    assert "precision 'float32' was certified, here is 'int8'" in void(bundle, certified, manifest=manifest)


def test_another_graph_of_a_segment_or_of_a_head(bundle, certified):
    files, entry = bundle.manifest.files, bundle.manifest.configurations[0]
    other = replace(files["segments/1.onnx"], sha256="1" * 64)
    manifest = replace(bundle.manifest, files={**files, "segments/1.onnx": other})
    assert void(bundle, certified, manifest=manifest) == "the graphs are not those that were certified"
    with_head = replace(entry, heads=("segments/whole.onnx",))
    manifest = replace(bundle.manifest, configurations=(with_head,))
    assert void(bundle, certified, manifest=manifest) == "the graphs are not those that were certified"


def test_everything_that_changed_is_named(bundle, certified):
    said = void(bundle, replace(certified, thresholds=(0.1,)), engine="openvino", processor="another")
    assert said.count(";") == 2


def test_fallbacks_of_another_number_of_exits_are_refused(tiny_bundle, certified, tmp_path):
    import shutil

    path = tmp_path / "tiny.ee"
    shutil.copytree(tiny_bundle.path, path)
    wrong = replace(certified, fallbacks=(Fallback(thresholds=(0.9, 0.8), bound=0.1, disagreement=0.1),))
    amend_bundle(path, lambda manifest: manifest.configurations, {"policy/policy.json": wrong})
    with pytest.raises(BundleError, match="got 2 thresholds for 2 exits"):
        open_bundle(path).read_policy("policy/policy.json")
