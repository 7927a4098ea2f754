"""The executor of a build: it runs chains that were loaded, in one thread, and opens sessions when they are needed."""

from eerun.costs import CostTable
from eerun.executor import ChainExecutor, FoldedExecutor, LoadedChain

__all__ = ["chain_executor"]


def chain_executor(chain: LoadedChain, costs: CostTable) -> ChainExecutor:
    """Make a chain ready to run samples, of a folded network images."""
    return ChainExecutor(chain, costs) if chain.chain.fold == 1 else FoldedExecutor(chain, costs)
