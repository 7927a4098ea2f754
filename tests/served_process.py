"""`eerun serve` as a process of its own."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

WAIT_S = 60


@dataclass(kw_only=True)
class ServedProcess:
    """A server, where it listens, and what it has said; `log` grows while it runs."""

    process: subprocess.Popen
    address: str
    lines: list[str]
    log: list[str]

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = WAIT_S) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)


@contextmanager
def served_process(*arguments: str, open_files: int | None = None) -> Iterator[ServedProcess]:
    """Run `eerun serve` with these arguments at a free port; it is killed at the end if it still runs.

    `open_files`: how many files it may have open; None: as many as this process.
    """
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({open_files},) * 2); "
    program = f"{limit if open_files else ''}from eerun.cli.main import main; main()"
    command = [sys.executable, "-c", program, "serve", *map(str, arguments)]
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    log, lines = [], []
    reader = threading.Thread(target=lambda: log.extend(iter(process.stderr.readline, "")), daemon=True)
    reader.start()
    timer = threading.Timer(WAIT_S, process.kill)
    timer.start()
    try:
        for line in iter(process.stdout.readline, ""):
            lines.append(line.rstrip())
            found = re.search(r"http://([^\s,]+)", line)
            if found:
                break
        else:
            reader.join(5)
            raise AssertionError(f"it ended: {''.join(log)}")
        timer.cancel()
        yield ServedProcess(process=process, address=found[1], lines=lines, log=log)
    finally:
        timer.cancel()
        process.kill()
        process.wait(WAIT_S)
        reader.join(5)
        process.stdout.close()
        process.stderr.close()
