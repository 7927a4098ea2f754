"""Start `eerun serve` as a child process, and stop it."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from eengines.errors import EngineError
from eerun.bench.server.connection_pool import Address
from eerun.bench.server.http_json import ask

__all__ = ["EerunServer"]

START_S, STOP_S, POLL_S = 180.0, 40.0, 0.05
PROGRAM = "from eerun.cli.main import main; main()"
FRAME = "╭╮╰╯─│ "
"""What the command line draws around a message."""

ADDRESS = re.compile(r"http://([^\s:/]+):(\d+)")


class EerunServer:
    """A server of one bundle on a free port of this machine; a context manager.

    Args:
        bundle: the bundle's folder.
        flags: further flags of `eerun serve`.

    Raises:
        EngineError: it does not start.
    """

    def __init__(self, bundle: Path, flags: Sequence[str]) -> None:
        words = ["serve", str(bundle), "--port", "0", *flags]
        self.words = " ".join(["eerun", *words])
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )
        self._lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.address = self._wait()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def line(self) -> str:
        """What it printed when it was ready."""
        return next((line for line in self._lines if ADDRESS.search(line)), "")

    def cpu_s(self) -> float:
        """CPU seconds that its process has used, with its threads."""
        import psutil

        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        """Ask it to stop, and kill it when it does not."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        self._errors.close()

    def _read(self) -> None:
        """Take what it prints, so that it never waits for a reader."""
        assert self._process.stdout is not None  # noqa: S101 - a pipe, see above
        with self._process.stdout as lines:
            for line in lines:
                self._lines.append(line.strip())

    def _wait(self) -> Address:
        """Return its address once it is ready."""
        end_s = monotonic() + START_S
        while monotonic() < end_s:
            found = ADDRESS.search(self.line)
            if found is not None:
                address = Address(host=found[1], port=int(found[2]))
                if ask(address, "v2/health/ready")[0] == 200:
                    return address
            if self._process.poll() is not None:
                problem = f"ended with {self._process.returncode}: {self._last_error()}"
                raise EngineError(self.words, problem, "Run it alone to see why")
            sleep(POLL_S)
        raise EngineError(self.words, f"is not ready after {START_S:g} s", "Run it alone to see why")

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = [line.strip(FRAME) for line in self._errors.read().decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "it said nothing")
