"""Plans that were built once are kept: a folder of files, each named by a hash of all that its plan depends on."""

from eengines.engine_cache.cache_info import CacheEntry, CacheInfo
from eengines.engine_cache.default_folder import default_cache_folder
from eengines.engine_cache.engine_cache import EngineCache
from eengines.engine_cache.outcome import Outcome
from eengines.engine_cache.user_key import user_key

__all__ = ["CacheEntry", "CacheInfo", "EngineCache", "Outcome", "default_cache_folder", "user_key"]
