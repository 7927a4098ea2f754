"""Tests of this folder that say `EMULATED_CUDA` run on an emulated driver."""

from emulated_cuda import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
