"""Stands between a runner and its server: `python guard.py COMMAND…`, in a session of its own.

When the runner is gone, by whatever death, its end of our standard input closes; then the server and all that it started are
ended. vLLM's engine processes outlive a killed parent and keep the GPU's memory, so it is the whole process group that goes.
Nothing but the standard library is imported, and nothing of this package.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

GRACE = 10.0  # seconds between asking and killing
STEP = 0.1


def main() -> int:
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN, which the server would inherit.
        signal.signal(name, lambda number, frame: None)
    alone = threading.Event()
    threading.Thread(target=_wait_for_the_end_of_input, args=(alone,), daemon=True).start()
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - what the runner was told to start
    while server.poll() is None and not alone.wait(STEP):
        pass
    end_others(os.getpgrp(), except_for=os.getpid(), reap=server)
    status = server.wait()
    return status if status >= 0 else 128 - status


def _wait_for_the_end_of_input(alone: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 64):
            pass
    alone.set()


def members(group: int) -> list[int]:
    """Processes of a process group that are alive."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            # pid (name) state ppid pgrp …, and the name may hold anything
            state, _parent, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state not in "ZX":
                found.append(int(folder.name))
    return found


def end_others(group: int, *, except_for: int = 0, reap: subprocess.Popen[bytes] | None = None) -> None:
    """Ask all of a group to end, and kill those that have not after a while."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        until = time.monotonic() + patience
        asked: set[int] = set()
        while others := [pid for pid in members(group) if pid != except_for]:
            for pid in others:
                if pid not in asked:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, number)
            asked |= set(others)
            if time.monotonic() > until:
                break
            time.sleep(STEP / 2)
            if reap is not None:
                reap.poll()
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
