"""What a bundle says of folding: the factor, the widths, and which network was folded where training wrote it down."""

from dataclasses import replace

import pytest
from folded_checkpoints import write_folded

from eecompile.build.fold_entry import fold_entry
from eecompile.checkpoint import load_checkpoint, save_checkpoint
from eerun.bundle import FoldEntry


@pytest.mark.parametrize(
    ("meta", "sha256"),
    [
        ({}, None),
        ({"fold": {"unfolded_sha256": "ab" * 32}}, "ab" * 32),
        ({"fold": {"epochs": 3}}, None),
        ({"fold": "by hand"}, None),
        ({"fold": {"unfolded_sha256": 7}}, None),
    ],
)
def test_the_network_before_folding_is_named_where_it_is_known(tmp_path, meta, sha256):
    path = write_folded(tmp_path, 2, samples=8)
    save_checkpoint(path, replace(load_checkpoint(path), meta=meta))
    expected = FoldEntry(factor=2, widths="multiple-of-8", unfolded_sha256=sha256)
    assert fold_entry(path, factor=2, widths="multiple-of-8") == expected


def test_a_network_that_is_not_folded_has_none(tmp_path):
    assert fold_entry(tmp_path / "model.pt", factor=1, widths=None) is None
