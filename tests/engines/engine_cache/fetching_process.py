"""Fetch one plan in a process of its own. Arguments: folder of the cache, folder for signals, name of this process.

In the middle of a build it writes `building.<name>` and waits for the file `go`. Every line that the cache says is
written to the output, and in the end the status.
"""

import sys
import time
from pathlib import Path

from zlib_backend import OPTIONS, USER_KEY, ZlibBackend

from eengines.engine_cache import EngineCache


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    folder, signals, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

    def during() -> None:
        (signals / f"building.{name}").touch()
        while not (signals / "go").exists():
            time.sleep(0.01)

    plan, outcome = EngineCache(folder, max_bytes=10**6, key=USER_KEY).fetch(
        ZlibBackend(during=during),
        b"the graph" * 100,
        OPTIONS,
        label="segment 2",
        say=write,
        warn=write,
    )
    write(f"{outcome.status} {len(plan.content)}")


if __name__ == "__main__":
    main()
