"""Kernels are compiled for every card, without a driver."""

import pytest
from required import require_module

from eengines.device import Program
from eengines.devices.cuda import compile_cubin
from eengines.errors import EngineError
from eengines.targets import TARGETS

require_module("cuda.bindings.nvrtc", "cuda-bindings with NVRTC is not installed")

ARCHITECTURES = ["sm_60", "sm_61", "sm_70", "sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]

SOURCE = """
extern "C" __global__ void scale(unsigned long long address, unsigned long long count) {
    unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x;
    if (i < count) reinterpret_cast<float *>(address)[i] *= FACTOR;
}
"""


def program(source: str = SOURCE, *defines: str) -> Program:
    return Program(name="scale", source=source, defines=defines, reference=print)


def architecture_of(cubin: bytes) -> int:
    """The SM number in the flags of the ELF header; from ABI version 8 on it is their second byte."""
    assert cubin[:4] == b"\x7fELF"
    return cubin[49] if cubin[8] >= 8 else cubin[48]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_kernel_compiles_for_each_architecture(architecture):
    cubin = compile_cubin(program(SOURCE, "FACTOR=2.0f"), architecture)
    assert f"sm_{architecture_of(cubin)}" == architecture
    assert b"scale" in cubin


def test_every_target_is_among_them():
    assert {target.sm for target in TARGETS.values() if target.compute_capability} <= set(ARCHITECTURES)


def test_defines_and_architectures_are_told_apart_and_kept():
    two = compile_cubin(program(SOURCE, "FACTOR=2.0f"), "sm_75")
    assert compile_cubin(program(SOURCE, "FACTOR=2.0f"), "sm_75") is two
    assert compile_cubin(program(SOURCE, "FACTOR=3.0f"), "sm_75") != two


def test_a_source_that_is_wrong_is_refused_with_the_log():
    with pytest.raises(EngineError, match="NVRTC refuses it for sm_75") as caught:
        compile_cubin(program(SOURCE), "sm_75")
    assert caught.value.where == "kernel scale"
    assert 'scale.cu(4): error: identifier "FACTOR" is undefined' in caught.value.problem


@pytest.mark.parametrize("architecture", ["sm_35", "75", "compute_75"])
def test_an_architecture_that_nvrtc_does_not_know_is_refused(architecture):
    with pytest.raises(EngineError, match=f"got {architecture}, this NVRTC compiles for sm_50, .*sm_60, "):
        compile_cubin(program(SOURCE, "FACTOR=1"), architecture)
