"""Chain segments: run one, decide who leaves, compact the rest, go on."""

from eerun.executor.chain import Chain, ChainSegment, LoadedChain, Skipping, load_chain
from eerun.executor.executor import Answers, ChainExecutor, Step
from eerun.executor.folded import FoldedExecutor
from eerun.executor.grouped import GroupedExecutor
from eerun.executor.host import HostExecutor, HostWhole
from eerun.executor.lengths import LengthExecutor, LengthWhole, length_groups
from eerun.executor.protocol import Cell, Executor, Run, WholeExecutor
from eerun.executor.shadowed import Shadowed
from eerun.executor.split_heads import SplitHeadsExecutor

__all__ = [
    "Answers",
    "Cell",
    "Chain",
    "ChainExecutor",
    "ChainSegment",
    "Executor",
    "FoldedExecutor",
    "GroupedExecutor",
    "HostExecutor",
    "HostWhole",
    "LengthExecutor",
    "LengthWhole",
    "LoadedChain",
    "Run",
    "Shadowed",
    "Skipping",
    "SplitHeadsExecutor",
    "Step",
    "WholeExecutor",
    "length_groups",
    "load_chain",
]
