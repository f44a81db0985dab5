"""The embedded PostgreSQL: shared by processes, started once, stopped by the last one, mended after a hard kill."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from config.embedded import LONGEST_SOCKET_FOLDER, EmbeddedServer, EmbeddedServerError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not pytest's own, which it closes to other users; as root, the server runs as one."""
    place = Path(tempfile.mkdtemp(prefix="embedded-", dir=settings.VAR_DIR))
    yield place
    shutil.rmtree(place)


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def server(tmp_path) -> Iterator[EmbeddedServer]:
    yield from running(tmp_path / "postgres")


def running(data: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(data, volatile=True)
    server.use()
    yield server
    server.leave()


def postmaster(server: EmbeddedServer) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().splitlines()[0]))


def another_process(data: Path, code: str) -> subprocess.Popen[str]:
    """Python that uses the same server and then does what `code` says."""
    program = f"""
import sys, time, os, signal
from pathlib import Path
from config.embedded import EmbeddedServer
server = EmbeddedServer(Path({str(data)!r}), volatile=True)
server.use()
print("used", flush=True)
{textwrap.dedent(code)}
"""
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_it_starts_takes_connections_and_stops(tmp_path):
    server = EmbeddedServer(tmp_path / "postgres", volatile=True)
    server.use()
    with server.connect("hyotei") as connection:
        assert connection.execute("show server_version_num").fetchone()[0] >= "180000"
    process = postmaster(server)

    server.leave()

    assert gone(process)
    assert not server.answers()


def test_it_listens_to_nobody_but_us(server):
    with server.connect() as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert connection.execute("show unix_socket_permissions").fetchone() == ("0700",)
    assert server.data.stat().st_mode & 0o077 == 0


def test_what_was_committed_is_on_disk(tmp_path):
    for server in running_for_real(tmp_path / "postgres"):
        with server.connect() as connection:
            for setting in ["fsync", "synchronous_commit", "full_page_writes"]:
                assert connection.execute(f"show {setting}").fetchone() == ("on",), setting


def running_for_real(data: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(data)
    server.use()
    yield server
    server.leave()


def test_one_process_leaves_the_other_keeps_its_server(server):
    other = another_process(server.data, "server.leave()")
    assert other.communicate(timeout=60)[0] == "used\n"
    assert other.returncode == 0
    assert server.answers()


def test_the_last_one_to_leave_stops_it_whoever_started_it(tmp_path):
    server = EmbeddedServer(tmp_path / "postgres", volatile=True)
    server.use()
    other = another_process(server.data, "sys.stdin.read()")
    assert other.stdout.readline() == "used\n"

    server.leave()
    assert server.answers()
    other.communicate(timeout=60)
    assert not server.answers()


def test_a_user_that_was_killed_does_not_count_any_more(tmp_path):
    server = EmbeddedServer(tmp_path / "postgres", volatile=True)
    server.use()
    other = another_process(server.data, "os.kill(os.getpid(), signal.SIGKILL)")
    other.communicate(timeout=60)
    server.leave()
    assert not server.answers()


def test_a_forked_child_does_not_stop_it(server):
    child = os.fork()
    if child == 0:
        server.leave()
        os._exit(0)
    os.waitpid(child, 0)
    assert server.answers()


def test_processes_that_start_at_once_share_one(tmp_path):
    data = tmp_path / "postgres"
    others = [another_process(data, "sys.stdin.read()") for _ in range(4)]
    assert [other.stdout.readline() for other in others] == ["used\n"] * 4
    masters = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres"
        and any(str(data) in part for part in process.info["cmdline"] or [])
    ]
    for other in others:
        other.communicate(timeout=60)
    assert len(masters) == 1
    assert not EmbeddedServer(data).answers()


# What can go wrong


def killed(server: EmbeddedServer) -> None:
    process = postmaster(server)
    process.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while not gone(process) and time.monotonic() < until:
        time.sleep(0.01)


def test_it_is_started_again_after_a_hard_kill(server):
    killed(server)
    assert not server.answers()
    assert server.mend()
    assert server.answers()
    assert not server.mend()


def test_another_process_starts_it_over_what_a_hard_kill_left(server):
    killed(server)
    other = another_process(server.data, "server.leave()")
    assert other.communicate(timeout=60)[0] == "used\n"


def test_a_number_that_belongs_to_somebody_else_by_now_is_no_hindrance(server):
    """As in a container that was started again: the number in postmaster.pid is taken by another program."""
    killed(server)
    account = pwd.getpwuid(server.data.stat().st_uid)
    bystander = subprocess.Popen(["sleep", "60"], user=account.pw_uid if os.geteuid() == 0 else None)
    file = server.data / "postmaster.pid"
    file.write_text(f"{bystander.pid}\n" + file.read_text().partition("\n")[2])
    lock = server.socket_folder / ".s.PGSQL.5432.lock"
    lock.write_text(f"{bystander.pid}\n" + lock.read_text().partition("\n")[2])
    try:
        assert server.mend()
        assert server.answers()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_start_that_was_killed_half_way_leaves_nothing_in_the_way(tmp_path):
    (tmp_path / "postgres-new-abc").mkdir()
    (tmp_path / "postgres-new-abc" / "PG_VERSION").write_text("18")
    for server in running(tmp_path / "postgres"):
        assert server.answers()
        assert not (tmp_path / "postgres-new-abc").exists()


@pytest.mark.parametrize(
    "name",
    ["with a space", "with 'quotes\" and $HOME, commas", "日本語", "d" * 120],
    ids=["space", "quotes", "kanji", "long"],
)
def test_any_path_will_do(tmp_path, name):
    for server in running(tmp_path / name / "postgres"):
        with server.connect("hyotei") as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        unfit = len(os.fsencode(server.data)) > LONGEST_SOCKET_FOLDER or "," in name
        assert unfit == (server.socket_folder != server.data)


def test_a_socket_folder_of_somebody_else_is_not_used(tmp_path):
    server = EmbeddedServer(tmp_path / ("d" * 120) / "postgres", volatile=True)
    server.socket_folder.mkdir(mode=0o755)
    try:
        with pytest.raises(EmbeddedServerError, match="only we can read"):
            server.use()
    finally:
        server.socket_folder.rmdir()


def test_data_of_another_version_is_explained(tmp_path):
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 16, this is 18"):
        EmbeddedServer(data).use()


def test_a_server_that_cannot_start_says_why(tmp_path):
    server = EmbeddedServer(tmp_path / "postgres", volatile=True)
    server.options["shared_buffers"] = "plenty"
    with pytest.raises(EmbeddedServerError, match="invalid value for parameter"):
        server.use()


def test_variables_meant_for_another_server_do_not_lead_astray(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("LANG", "xx_XX.UTF-8")
    for server in running(tmp_path / "postgres"):
        assert server.answers()


def test_it_works_for_a_normal_user_too(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("we are a normal user: the other tests show it")
    nobody = pwd.getpwnam("nobody")
    place = tmp_path / "var"
    place.mkdir()
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    for folder in [place, *place.parents]:
        folder.chmod(folder.stat().st_mode | 0o011)
    code = (
        "from pathlib import Path; from config.embedded import EmbeddedServer;"
        f"s = EmbeddedServer(Path({str(place / 'postgres')!r}), volatile=True); s.use(); print(s.answers()); s.leave()"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-c", code], cwd=ROOT, user="nobody", group=nobody.pw_gid, extra_groups=[],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    except PermissionError:
        pytest.skip("nobody may not run this Python")
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("nobody may not read this Python's packages")
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_files_of_another_user_are_explained(tmp_path, monkeypatch):
    data = tmp_path / "postgres"
    data.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: data.stat().st_uid + 12345)
    with pytest.raises(EmbeddedServerError, match=f"belongs to {pwd.getpwuid(data.stat().st_uid).pw_name}"):
        EmbeddedServer(data).use()


def test_starting_is_quick(tmp_path):
    for _ in running(tmp_path / "postgres"):
        pass
    server = EmbeddedServer(tmp_path / "postgres", volatile=True)
    began = time.monotonic()
    server.use()
    print(f"started in {time.monotonic() - began:.2f} s")
    server.leave()
    assert time.monotonic() - began < 20  # a second or less on a machine with nothing else to do
