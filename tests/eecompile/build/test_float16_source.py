"""Values that float16 cannot hold stay float32, across boundaries too; a configuration that fails is left out."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto

from eecompile.build.candidates import find_candidates
from eecompile.build.float16_source import float16_source
from eecompile.build.float32_chain import run_float32
from eecompile.build.lower_graphs import Lowering
from eecompile.build.prepare import prepare
from eecompile.build.trials import run_trials
from eengines.errors import BuildError

LARGE = 1e6
"""Factor on one channel that the second boundary carries: float16 ends at 65504."""


@pytest.fixture(scope="module")
def large(fitted):
    return fitted(outlier=LARGE)


def test_a_boundary_that_would_overflow_crosses_in_float32(large, finished):
    bundle = finished(large, precision="float16", engine="onnxruntime", max_quant_drop=1.0)
    first, second, third = bundle.segments("onnxruntime-float16")
    kinds = {v.name: v.type.tensor_type.elem_type for g in (first, second, third) for v in (*g.input, *g.output)}
    assert kinds["stage_0_relu"] == TensorProto.FLOAT16
    assert kinds["sum_1"] == TensorProto.FLOAT
    assert any("'sum_1' reaches" in warning for warning in bundle.stages.warnings)
    (trial,) = [t for t in bundle.report.trials if t.precision == "float16" and t.engine == "onnxruntime"]
    assert trial.agreement[-1] > 0.99
    assert {"n_stage_1", "n_sum_1"} <= set(bundle.report.keep_float)


def test_what_overflows_is_named_once_and_taken_out_of_the_crossing(large, stages):
    prepared = prepare(large.path, large.settings, stages)
    source = Lowering(split=prepared.split, ranges=None, keep_float=frozenset())
    found = float16_source(prepared, source, stages)
    assert found.too_large.keep_crossing == {"sum_1"}
    assert {"n_stage_1", "n_sum_1"} <= found.too_large.keep_float


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_candidate_with_nan_is_left_out_unless_it_is_the_one_asked_for(large, stages, by_hand):
    """Nobody looked for overflow here, so that float16 gives NaN."""
    settings = replace(large.settings, precision="float16", engine="onnxruntime" if by_hand else "auto")
    prepared = prepare(large.path, settings, stages)
    candidates, _ = find_candidates(settings, calibrated=False)
    source = Lowering(split=prepared.split, ranges=None, keep_float=frozenset())
    with np.errstate(all="ignore"):
        float32 = run_float32(prepared, source, settings, stages)
        if by_hand:
            with pytest.raises(BuildError, match=r"onnxruntime float16: exit table: scores: got NaN"):
                run_trials(prepared, source, float32, candidates, settings, stages)
            return
        trials = run_trials(prepared, source, float32, candidates, settings, stages)
    assert all(t.candidate.words != "onnxruntime float16" for t in trials)
    assert any(w.startswith("onnxruntime float16 is left out: exit table") for w in stages.warnings)
