"""A sample is in the same part whenever it comes."""

import numpy as np
import pytest
from text_networks import ONNX_LONGEST, draw_texts

from eecompile.refresh.cut_samples import cut_samples
from eerun.bundle import InputEntry
from eerun.data import Samples

IMAGE = (InputEntry(name="x", dtype="float32", shape=(2, 3)),)
TEXT = tuple(
    InputEntry(name=name, dtype="int64", shape=(ONNX_LONGEST,), sequence=0) for name in ("input_ids", "attention_mask")
)


def numbered(*ranges: range) -> Samples:
    """Samples that hold their own number, which is their label, too."""
    numbers = np.concatenate([np.array(part, np.int64) for part in ranges])
    return Samples(inputs={"x": np.float32(numbers)[:, None, None].repeat(2, 1).repeat(3, 2)}, labels=numbers)


def parts(samples: Samples, *, seed: int = 0) -> dict[int, str]:
    """In which part each number is."""
    cut = cut_samples(samples, IMAGE, seed)
    for part in cut.values():
        assert np.array_equal(part.inputs["x"][:, 1, 2], part.labels)
    return {int(number): name for name, part in cut.items() for number in part.labels}


def test_windows_that_overlap_are_cut_alike():
    first, second = parts(numbered(range(2000))), parts(numbered(range(500, 2700)))
    assert len(first) == 2000
    assert {number: second[number] for number in range(500, 2000)} == {n: first[n] for n in range(500, 2000)}
    assert parts(numbered(range(2000)), seed=1) != first


def test_the_shares_are_about_those_promised():
    cut = cut_samples(numbered(range(10_000)), IMAGE, 3)
    assert {name: len(part) / 10_000 for name, part in cut.items()} == pytest.approx(
        {"train": 0.6, "tune": 0.2, "test": 0.2}, abs=0.02
    )


def test_copies_are_in_one_part_and_the_order_stays():
    cut = cut_samples(numbered(range(50), range(50)), IMAGE, 0)
    for part in cut.values():
        half = len(part) // 2
        assert part.labels[:half].tolist() == part.labels[half:].tolist() == sorted(set(part.labels.tolist()))


def test_padding_behind_a_text_and_the_order_of_inputs_do_not_matter():
    arrays, _ = draw_texts(300, seed=0, longest=12)
    numbers = np.arange(300)
    wide = {name: np.pad(arrays[name], ((0, 0), (0, 5))) for name in reversed(arrays)}
    short, long = (cut_samples(Samples(inputs=given, labels=numbers), TEXT, 0) for given in (arrays, wide))
    assert {n: part.labels.tolist() for n, part in short.items()} == {
        n: part.labels.tolist() for n, part in long.items()
    }
    assert min(len(part) for part in short.values()) > 30
    mask = {**arrays, "attention_mask": 1 - arrays["attention_mask"]}
    other = cut_samples(Samples(inputs=mask, labels=numbers), TEXT, 0)
    assert other["train"].labels.tolist() != short["train"].labels.tolist(), "every input counts"
