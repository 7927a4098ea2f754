"""Networks of the zoo whose operations others do not have become ONNX that answers like torch."""

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from eecompile.ingest.export_module import export_module
from eecompile.zoo import lookup
from eengines.backends.onnxruntime import session_options

CASES = {
    "dilated_fcn": ({"channels": [4, 4, 6], "classes": 3, "in_channels": 1}, (1, 12, 16), 1),
    "msdnet_cifar": ({"classes": 4, "exits": 2, "base": 2, "step": 1}, (3, 32, 32), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_onnx_answers_like_torch(name):
    kwargs, shape, exits = CASES[name]
    torch.manual_seed(0)
    network = lookup(name)(**kwargs).eval()
    names = [f"exit{index}" for index in range(exits)]
    model = export_module(network, (torch.rand(2, *shape),), inputs=["x"], exits=names, where="zoo")
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), session_options(2))
    for batch in (1, 3):
        images = torch.rand(batch, *shape)
        with torch.no_grad():
            outputs = network(images)
        expected = outputs if isinstance(outputs, tuple) else (outputs,)
        for got, wanted in zip(session.run(None, {"x": images.numpy()}), expected, strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-4, atol=1e-5)
