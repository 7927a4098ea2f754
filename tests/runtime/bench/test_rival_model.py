"""Which file a rival loads: that of the bundle, beside it; of a folded bundle only the trained folded checkpoint."""

import hashlib
from dataclasses import replace

import pytest
from folded_bundles import write_pair

from eengines.errors import UserError
from eerun.bench.rival_model import rival_model
from eerun.bundle import open_bundle, rewrite_bundle


def test_a_folded_bundle_needs_the_folded_checkpoint(tmp_path):
    pair = write_pair(tmp_path)
    with pytest.raises(UserError, match=r"net\.pt is not\. Run `eecompile fold net\.pt --fold 4 -o FOLDED\.pt`, build"):
        rival_model(open_bundle(pair.path), "torch")
    (tmp_path / "net.pt").write_bytes(b"before folding")
    with pytest.raises(UserError, match=r"--model: --against torch needs the trained folded checkpoint of net\.ee"):
        rival_model(open_bundle(pair.path), "torch")
    assert rival_model(open_bundle(pair.unfolded), "torch") == tmp_path / "net.pt"
    sha256 = hashlib.sha256(b"before folding").hexdigest()
    rewrite_bundle(pair.path, lambda old: replace(old, source_sha256=sha256), {})
    assert rival_model(open_bundle(pair.path), "torch") == tmp_path / "net.pt"
