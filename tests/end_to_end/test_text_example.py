"""The text example as its page shows it, at a small size: train, attach, build, bench; then run and the Python API."""

import json
import re
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from typed_commands import shown_commands, typed

import eerun
from eecompile.checkpoint import load_checkpoint
from eerun.bundle import open_bundle
from eerun.data import load_data, make_splits

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.text import lengths_of  # noqa: E402 - found where the path now leads

TEXT = ROOT / "examples" / "text"
COMMANDS = shown_commands((TEXT / "README.md").read_text())
SMALLER = {
    "train.py": "--data docstrings --layers 3 --width 32 --epochs 4",
    "attach": "--epochs 4",
    "build": "--buckets 32 --measure-seconds 0",
    "bench": "--duration 0.1 --warm-up 0",
}
LENGTHS = [16, 32, 64]
GUESSED = 0.33
"""Share of the most frequent class."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples") / "text"
    shutil.copytree(TEXT, folder, ignore=shutil.ignore_patterns("*.pt", "*.npz", "*.ee", "__pycache__"))
    return folder


@pytest.fixture(scope="module")
def shown(folder, command_environment):
    """What each command of the page prints, on one thread: the layers are too small for more."""
    environment = command_environment | {"OMP_NUM_THREADS": "1"}
    kinds = [command.split()[1] for command in COMMANDS]
    assert kinds == [*SMALLER], "the page shows other commands"
    return {
        kind: typed(f"{command} {SMALLER[kind]}", folder, environment)
        for kind, command in zip(kinds, COMMANDS, strict=True)
    }


@pytest.fixture(scope="module")
def model(shown, folder):
    return eerun.load(folder / "model.ee")


@pytest.fixture(scope="module")
def texts(shown, folder):
    """Test texts and their classes."""
    with np.load(folder / "model.npz") as file:
        return {name: file[f"{name}_test"] for name in ("input_ids", "attention_mask")}, file["y_test"]


def test_the_network_learns_more_than_the_most_frequent_class(shown, folder):
    (share,) = re.findall(r"^([\d.]+)% of the test texts right$", shown["train.py"], re.MULTILINE)
    assert float(share) / 100 > GUESSED + 0.1
    assert re.search(r"train: \d{4} texts of docstrings .*: numpy \d+%, python 3\d%", shown["train.py"])
    assert load_checkpoint(folder / "backbone.pt").exits == ("final",)


def test_every_layer_but_the_last_gets_an_exit(shown, folder):
    checkpoint = load_checkpoint(folder / "model.pt")
    assert checkpoint.exits == ("layers.0-pooler", "layers.1-pooler", "final")
    assert [info.sequence for info in checkpoint.inputs] == [0, 0]
    assert "no exit at layers.2" in shown["attach"]


def test_exits_and_lengths_are_used(shown, folder, texts, model):
    manifest = open_bundle(folder / "model.ee").manifest
    assert [entry.length for entry in manifest.lengths] == LENGTHS
    assert min(entry.share for entry in manifest.lengths) > 0.01
    assert manifest.lengths[0].share > 0.3, "most texts are short"
    arrays, labels = texts
    result = model.infer(arrays)
    assert {steps[0].length for steps in result.steps} == {*LENGTHS}
    assert (result.exit_index < 2).mean() > 0.2
    assert (result.labels == labels).mean() > GUESSED + 0.1
    final = model.infer(arrays, exits=False)
    assert (final.exit_index == 2).all()
    assert (result.labels == labels).mean() > (final.labels == labels).mean() - 0.05
    summary = json.loads((folder / "model.ee" / "report" / "summary.json").read_text())
    assert summary["tune"]["accuracy"] >= 0.99 * summary["tune"]["accuracy_final"]


def test_padding_changes_nothing(model, texts):
    arrays, _ = texts
    rows = np.flatnonzero(arrays["attention_mask"].sum(1) <= 12)[:40]
    padded = {name: array[rows] for name, array in arrays.items()}
    cut = {name: array[:, :12] for name, array in padded.items()}
    wider = {name: np.pad(array, ((0, 0), (0, 9))) for name, array in padded.items()}
    expected = model.infer(padded)
    for given in (cut, wider):
        assert np.array_equal(model.infer(given).outputs, expected.outputs)


def test_bench_tells_what_the_lengths_bring(shown):
    assert "chain with exits, all padded to 64" in shown["bench"]
    assert "Length buckets 16, 32, 64: " in shown["bench"]


def test_run_answers_as_the_model_does(shown, folder, command_environment, texts, model):
    typed("eerun run --data model.npz -o answers.npz", folder, command_environment)
    with np.load(folder / "answers.npz") as file:
        assert np.array_equal(file["labels"], model.infer(texts[0]).labels)


def test_the_benchmark_tells_accuracy_and_exits_by_length(model, folder, texts):
    rows = lengths_of(open_bundle(folder / "model.ee"))
    assert [row["length"] for row in rows] == LENGTHS
    names = ["input_ids", "attention_mask"]
    test = make_splits(load_data(str(folder / "model.npz"), input_names=names), seed=0)["test"]
    assert sum(row["texts"] for row in rows) == len(test)
    right = sum(row["accuracy"] * row["texts"] for row in rows)
    assert right == pytest.approx((model.infer(test.inputs).labels == test.labels).sum(), abs=0.5)
    assert all(sum(row["leave_at"].values()) == pytest.approx(1) for row in rows)


@pytest.fixture
def modules(monkeypatch):
    """The example's own modules `texts` and `vocabulary`."""
    monkeypatch.syspath_prepend(str(TEXT))
    yield import_module("texts"), import_module("vocabulary")
    for name in ("texts", "vocabulary"):
        sys.modules.pop(name)


def test_sst2_is_read_and_known_sentences_are_not_tested(modules, tmp_path):
    for name, lines in {"train": "a good film\t1\nbad\t0\n", "dev": "bad\t0\nfine\t1\n", "test": "dull\t0\n"}.items():
        (tmp_path / f"{name}.tsv").write_text(lines)
    found = modules[0].load_texts(tmp_path, seed=0)
    assert found.train == [("a good film", 1), ("bad", 0)]
    assert found.test == [("fine", 1), ("dull", 0)]


def test_docstrings_do_not_name_their_library_and_never_repeat(modules):
    texts, _ = modules
    found = texts.docstrings(seed=0)
    assert found == texts.docstrings(seed=0)
    assert len(found.train) > 2000
    every = [text for text, _ in (*found.train, *found.test)]
    assert len({*every}) == len(every)
    assert not [text for text in every if re.search(r"\b(numpy|scipy|sklearn|python)\b", text.lower())]


def test_words_are_numbered_by_how_often_they_are(modules):
    _, words = modules
    vocabulary = words.build_vocabulary(["The film, the end.", "a film, the"], most=6)
    assert vocabulary == {"the": 3, ",": 4, "film": 5}
    found = words.encode(["The new film", "film " * 9], vocabulary, length=5)
    assert found["input_ids"].tolist() == [[2, 3, 1, 5, 0], [2, 5, 5, 5, 5]]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1] * 5]
