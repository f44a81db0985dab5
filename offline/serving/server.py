"""One server process and its group: started on loopback, noted in a file, ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any

from offline.journal import now
from offline.serving import guard

LAST_LINES = 4000  # bytes of the log that are shown when it fails


class Server:
    """`name` tells the servers of one folder's shards apart."""

    def __init__(self, folder: Path, name: str) -> None:
        self.note = folder / f"server-{name}.pid"
        self.log = folder / f"server-{name}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._log_from = 0

    async def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Raises OSError."""
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            log.write(f"--- {now()} {json.dumps(command, ensure_ascii=False)}\n".encode())
            log.flush()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", guard.__file__, *command,
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **environment},
                start_new_session=True,
            )  # fmt: skip
        said = {
            "pid": self._process.pid,
            "began": _began(self._process.pid),
            "boot": _boot(),
            "host": platform.node(),
        }
        self.note.write_text(json.dumps(said) + "\n", encoding="utf-8")

    async def ended(self) -> int:
        """When the server is gone, and all it started: its exit status."""
        assert self._process
        status = await self._process.wait()
        await asyncio.to_thread(guard.end_others, self._process.pid)  # the guard itself may have been killed
        return status

    def end(self) -> None:
        """Have it ended, by its guard; `ended` says when."""
        if self._process and self._process.stdin:
            self._process.stdin.close()

    async def stop(self) -> None:
        if self._process is None:
            return
        self.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 3 * guard.GRACE)
        await self.ended() if self._process.returncode is not None else await asyncio.to_thread(
            guard.end_others, self._process.pid
        )
        self.note.unlink(missing_ok=True)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def said(self, whole: bool = False) -> str:
        """Of the log, what this start wrote; the end of it unless `whole`."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(self._log_from if whole else max(self._log_from, size - LAST_LINES))
                return file.read(1 << 22).decode(errors="replace")
        except OSError:
            return ""


def end_leftover(note: Path) -> bool:
    """End the server that an earlier run noted and could not end itself; whether there was one.

    A number alone says little, since numbers are used again: it must be the process that was started then, in this life of
    this machine, or what is left of its group.
    """
    try:
        said: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        group, began = int(said["pid"]), said["began"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    ours = said.get("boot") == _boot() and said.get("host") == platform.node()
    leader = _began(group)
    left = guard.members(group) if ours and leader in (None, began) else []
    if left:
        guard.end_others(group)
    note.unlink(missing_ok=True)
    return bool(left)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _began(pid: int) -> str | None:
    """When a process began, in ticks since the machine did; None if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
