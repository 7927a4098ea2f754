"""A Ray on this machine alone."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

STARTS = 3
"""Ray gives its node 30 s to start and has no setting for that; a busy machine may need longer."""


@contextmanager
def local_ray(folder: str, num_cpus: int) -> Iterator[None]:
    """Start Ray with its files in folder; stop it in the end."""
    import ray

    try:
        for start in range(STARTS):
            try:
                ray.init(
                    num_cpus=num_cpus,
                    include_dashboard=False,
                    object_store_memory=100 * 2**20,
                    log_to_driver=False,
                    logging_level="ERROR",
                    _temp_dir=tempfile.mkdtemp(dir=folder),
                )
                break
            except Exception as error:
                ray.shutdown()
                if "timed out during startup" not in str(error) or start == STARTS - 1:
                    raise
        yield
    finally:
        ray.shutdown()
