"""Chain segments: run one, decide who leaves, compact the rest, go on."""

from eerun.executor.chain import Chain, ChainSegment, LoadedChain, load_chain
from eerun.executor.executor import Answers, ChainExecutor, Step
from eerun.executor.host import HostExecutor, HostWhole
from eerun.executor.lengths import LengthExecutor, LengthWhole, length_groups
from eerun.executor.protocol import Cell, Executor, Run, WholeExecutor

__all__ = [
    "Answers",
    "Cell",
    "Chain",
    "ChainExecutor",
    "ChainSegment",
    "Executor",
    "HostExecutor",
    "HostWhole",
    "LengthExecutor",
    "LengthWhole",
    "LoadedChain",
    "Run",
    "Step",
    "WholeExecutor",
    "length_groups",
    "load_chain",
]
