"""Chain segments: run one, decide who leaves, compact the rest, go on."""

from eerun.executor.chain import Chain, ChainSegment, LoadedChain, load_chain
from eerun.executor.executor import Answers, ChainExecutor, Step

__all__ = ["Answers", "Chain", "ChainExecutor", "ChainSegment", "LoadedChain", "Step", "load_chain"]
