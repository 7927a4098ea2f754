

import numpy as np
import pytest

from eecompile.tune import TuneSettings, tune
from eerun.bundle import TUNE_NAME, amend_bundle
from eerun.configuration import HostConfiguration

KEPT = ("onnxruntime-float32", "onnxruntime-int8")


@pytest.fixture
def tuned(copied, backbone, silent):
    """The bundle with gates of its own in float32 and in INT8."""
    entries = {entry.name: entry for entry in copied.bundle.manifest.configurations}
    amend_bundle(copied.path, lambda _: tuple(entries[name] for name in KEPT), {})
    data = str(backbone.with_suffix(".npz"))
    tune(copied.path, TuneSettings(data=data, policies=("gati",), max_drop=0.02, threads=2), silent)
    return copied


from eecompile.refresh import *
import sys
def test_dbg(tuned, silent, tmp_path):
    import onnx
    from eecompile.refresh import new_graphs as ng
    keep={}
    real=ng._changed
    def c(bundle, split):
        keep["x"]=(bundle,split); return real(bundle,split)
    sys.modules["eecompile.refresh.new_graphs"]._changed=c
    try: tuned.refresh(silent, epochs=4)
    except Exception as e: print(e)
    b,s=keep["x"]
    e=b.manifest.segments[0]
    old=onnx.load_model_from_string(b.read(e.file)); new=onnx.load_model_from_string(ng.serialize(s.segments[0].model,0))
    from google.protobuf import text_format
    for m,n in ((old,"old"),(new,"new")):
        for t in m.graph.initializer: t.ClearField("raw_data")
        open(f"/tmp/w/t2/{n}.txt","w").write(str(m))
