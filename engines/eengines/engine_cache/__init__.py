"""Plans that were built once are kept: a folder of files, each named by a hash of all that its plan depends on."""

from eengines.engine_cache.cache_info import CacheEntry, CacheInfo
from eengines.engine_cache.check_folder import CheckedFolder, check_folder
from eengines.engine_cache.default_folder import default_cache_folder
from eengines.engine_cache.engine_cache import EngineCache
from eengines.engine_cache.file_lock import FileLock
from eengines.engine_cache.link_plans import link_plans
from eengines.engine_cache.outcome import Outcome
from eengines.engine_cache.user_key import user_key

__all__ = [
    "CacheEntry",
    "CacheInfo",
    "CheckedFolder",
    "EngineCache",
    "FileLock",
    "Outcome",
    "check_folder",
    "default_cache_folder",
    "link_plans",
    "user_key",
]
