"""Keeps torch's exporter from writing to the terminal."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_torch"]

_MESSAGES = (
    # torch's own use of a deprecated pytree type, while it copies an exported program.
    (r"`?isinstance\(treespec, LeafSpec\)", FutureWarning),
    # Inputs that share an axis give it its name more than once.
    (r"# The axis name: .* will not be used, since it shares the same shape constraints", UserWarning),
    # TorchScript is deprecated as a whole; it is read here because users still have such files.
    (r"`torch\.jit\.", DeprecationWarning),
    (r"You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
    (r"The feature will be removed", DeprecationWarning),
    # A script method has no Python signature; the exporter then takes the inputs in their order, which is right.
    (r"no signature found for", UserWarning),
)

_LOGGERS = (
    "torch.onnx._internal.exporter._registration",  # says that torchvision is not installed
)


@contextmanager
def quiet_torch() -> Iterator[None]:
    """Silence known remarks of the exporter that no user can act on, and nothing else."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for message, category in _MESSAGES:
                warnings.filterwarnings("ignore", message=message, category=category)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
