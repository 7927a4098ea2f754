"""Rows of features on disk."""

import numpy as np
import pytest
import torch

from eecompile.train.feature_file import FeatureFile
from eengines.errors import UserError


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_come_back_in_any_order(tmp_path, dtype):
    values = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0)) * 1e5
    file = FeatureFile(tmp_path / "rows", 7, (2, 3), dtype)
    file.write(0, values[:4])
    file.write(4, values[4:])
    rows = np.array([6, 0, 3])
    assert torch.equal(file.read(rows), values[rows].to(dtype).float())
    assert (tmp_path / "rows").stat().st_size == 7 * 6 * dtype.itemsize


def test_a_full_disk_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match=r"MiB of features\. Choose a folder with more room by the variable TMPDIR"):
        FeatureFile(tmp_path / "rows", 1 << 50, (64,), torch.float32)
