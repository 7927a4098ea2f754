"""Texts to train heads with come in any width, and reach the network in one that it takes."""

import numpy as np
import pytest
from text_networks import LONGEST, draw_texts, text_inputs

from eecompile.attach.settings import AttachSettings
from eecompile.attach.training_data import training_data
from eengines.errors import InputError


def given(folder, **widths):
    """Store texts of at most half the greatest length, padded or cut to these widths."""
    arrays, _ = draw_texts(20, seed=0, longest=LONGEST // 2)
    wide = {name: np.pad(array, ((0, 0), (0, LONGEST)))[:, : widths[name]] for name, array in arrays.items()}
    np.savez(folder / "texts.npz", **{f"{name}_{split}": a for name, a in wide.items() for split in ("train", "test")})
    settings = AttachSettings(output=folder / "model.pt", heads="fc", data=str(folder / "texts.npz"))
    return training_data("net.pt", settings, text_inputs())


@pytest.mark.parametrize(("width", "expected"), [(LONGEST // 2, LONGEST // 2), (LONGEST + 7, LONGEST)])
def test_padding_behind_the_greatest_length_is_cut(tmp_path, width, expected):
    samples = given(tmp_path, input_ids=width, attention_mask=width)
    assert {array.shape[1] for array in samples.inputs.values()} == {expected}


def test_inputs_of_different_lengths_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"got a length of .*, another input has"):
        given(tmp_path, input_ids=LONGEST, attention_mask=LONGEST - 4)
