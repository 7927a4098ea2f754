"""What runs samples for the scheduler, a segment at a time or a batch at a time."""

from eerun.scheduler.lanes.batch_lane import BatchLane
from eerun.scheduler.lanes.chain_lane import ChainLane
from eerun.scheduler.lanes.lane import Chunk, Lane, Ran
from eerun.scheduler.lanes.open_lanes import Lanes, open_lanes
from eerun.scheduler.lanes.share import Share

__all__ = ["BatchLane", "ChainLane", "Chunk", "Lane", "Lanes", "Ran", "Share", "open_lanes"]
