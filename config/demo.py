"""`make demo`: everything that a look at Hyotei needs, started together and stopped together.

One process watches over the others: the embedded PostgreSQL, the web server and a worker for background jobs. What it
started it also stops: on Ctrl-C, on SIGTERM, and when its terminal goes away.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.embedded import EmbeddedServer

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0  # seconds for the web server to become ready
GRACE = 10.0  # seconds for a process to end by itself


class CannotStart(Exception):
    """A sentence for the terminal."""


class Stop(BaseException):
    """Somebody wants us to end."""


def main() -> int:
    began = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        port = _free_port(os.environ.get("PORT", "").strip() or "8000")
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        os.environ |= {"BIND": f"{HOST}:{port}", "HTTPS": "off", "DJANGO_SETTINGS_MODULE": "config.settings"}
        with contextlib.ExitStack() as running:
            serve(port, running, began)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 1
    except Stop:
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("\nStopped. What was rated is kept; `make demo` goes on from there.", flush=True)
    return 0


def serve(port: int, running: contextlib.ExitStack, began: float) -> None:
    """Set up what is missing, start everything, and stay until we are told to stop."""
    server = _prepare_files_and_server(running)
    # It loads while the tables are looked after, and says that it is not ready until they are there.
    family = running.enter_context(Family())
    web = family.start("-m", "gunicorn", "-c", str(ROOT / "config" / "gunicorn.py"))
    logins = _prepare_data()
    _wait_until_ready(port, web)
    print(f"\nHyotei is ready after {time.monotonic() - began:.1f} s:  http://localhost:{port}/")
    print(f"{logins}Ctrl-C stops it.", flush=True)
    worker = family.start(str(ROOT / "manage.py"), "procrastinate", "worker")
    while True:
        for process, name in ((web, "The web server"), (worker, "The worker for background jobs")):
            if process.poll() is not None:
                raise CannotStart(f"{name} ended by itself; what it said is above.")
        if server is not None and server.mend():
            print("PostgreSQL had gone down and was started again.", file=sys.stderr)
        time.sleep(1)


def _prepare_files_and_server(running: contextlib.ExitStack) -> EmbeddedServer | None:
    """Files for the browser, and the embedded server unless DATABASE_URL names another."""
    from config.assets import write_assets
    from config.messages import compile_catalogues

    compile_catalogues()
    write_assets()

    from django.conf import settings

    from config.database import embedded_server
    from config.embedded import EmbeddedServerError

    _collect_static_files(settings.STATIC_ROOT, [*settings.STATICFILES_DIRS, ROOT / "requirements.lock"])
    embedded = settings.DATABASES["default"].get("EMBEDDED")
    if not embedded:
        return None
    server = embedded_server(**embedded)
    running.callback(server.leave)
    try:
        server.use()
    except EmbeddedServerError as problem:
        raise CannotStart(str(problem)) from None
    return server


def _prepare_data() -> str:
    """The tables and the demo project; answers who to log in as."""
    import django
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError, connection

    from config.health import why_not_ready

    django.setup()
    said = io.StringIO()
    try:
        if why_not_ready():
            call_command("migrate", interactive=False, verbosity=0)
        call_command("load_demo", stdout=said)
    except DatabaseError as problem:
        raise CannotStart(f"The database cannot be used: {problem}") from None
    except CommandError as problem:
        raise CannotStart(str(problem)) from None
    connection.close()
    return said.getvalue()


def _collect_static_files(target: Path, sources: list[Path]) -> None:
    """collectstatic takes seconds, so it runs only when something is new."""
    seen = hashlib.sha256()
    for source in sources:
        for file in sorted([source] if source.is_file() else source.rglob("*")):
            status = file.stat()
            seen.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
    stamp = target / ".collected-from"
    if stamp.exists() and stamp.read_text() == seen.hexdigest():
        return

    import django
    from django.core.management import call_command

    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(seen.hexdigest())


# Processes


class Family:
    """Processes of ours, told to end together when the block is left."""

    def __init__(self) -> None:
        self.members: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Another Python, in a session of its own: Ctrl-C reaches us alone, and we end it in our own time."""
        command = [sys.executable, *arguments]
        member = subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=end_with_parent)
        self.members.append(member)
        return member

    def __enter__(self) -> Family:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self.members:
            member.terminate()
        until = time.monotonic() + GRACE
        for member in self.members:
            with contextlib.suppress(subprocess.TimeoutExpired):
                member.wait(max(0.0, until - time.monotonic()))
            with contextlib.suppress(ProcessLookupError):  # and its children, if any outlived it
                os.killpg(member.pid, signal.SIGKILL)
            member.wait()


def end_with_parent() -> None:
    """On Linux, be told to end should our parent be killed before it can say so itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _stop(number: int, _frame: object) -> None:
    for again in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(again, signal.SIG_IGN)  # stopping is short; let nothing interrupt it half-way
    raise Stop


# The port, and what is behind it


def _free_port(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"PORT={text}: it must be a number from 1 to 65535.")
    port = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise CannotStart(
                f"Port {port} is for the administrator only. Take another: make demo PORT=8000"
            ) from None
        except OSError:
            other = port + 1 if port < 65535 else 8000
            raise CannotStart(
                f"Port {port} is taken by another program. Stop that, or take another port: make demo PORT={other}"
            ) from None
    return port


def _wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    said = "it did not answer"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise CannotStart("The web server did not start; what it said is above.")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as answer:
            said = json.loads(answer.read()).get("reason", "")
        except OSError:
            pass
        time.sleep(0.05)
    raise CannotStart(f"The web server is not ready after {PATIENCE:.0f} seconds: {said}.")


if __name__ == "__main__":
    sys.exit(main())
