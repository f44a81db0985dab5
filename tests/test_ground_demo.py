"""`make demo` as a person runs it: start, log in, stop, start again; nothing is left running."""

from __future__ import annotations

import http.cookiejar
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from config.demo import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 240  # seconds; a tenth of it on a machine with nothing else to do


class Demo:
    def __init__(self, var: Path, port: int) -> None:
        self.var, self.port = var, port
        self.output = var / "said.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it says that it is ready."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in {"DJANGO_SETTINGS_MODULE", "HTTPS"}
        }
        variables = {"VAR_DIR": str(self.var), "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        self.var.mkdir(exist_ok=True)
        with self.output.open("wb") as output:
            began = time.monotonic()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "config.demo"], cwd=ROOT, env=kept | variables,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=end_with_parent,
            )  # fmt: skip
        while "Ctrl-C" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() - began < ENOUGH, self.said()
            time.sleep(0.05)
        return time.monotonic() - began

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def left(self) -> list[str]:
        """Processes that were started with this demo's folder or run its server."""
        found = []
        for process in psutil.process_iter(["pid", "name", "status", "cmdline"]):
            try:
                marked = any(str(self.var) in part for part in process.info["cmdline"] or [])
                marked = marked or process.environ().get("VAR_DIR") == str(self.var)
            except psutil.Error:
                continue
            if marked and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.info['cmdline']}")
        return found

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGTERM)


class Visitor:
    """A browser's worth of cookies."""

    def __init__(self, port: int) -> None:
        self.cookies = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.site = f"http://localhost:{port}"

    def get(self, path: str) -> tuple[str, str]:
        with self.opener.open(self.site + path, timeout=60) as response:
            return response.geturl().removeprefix(self.site), response.read().decode()

    def log_in(self, name: str, password: str) -> tuple[str, str]:
        _, page = self.get("/account/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token
        form = {"login": name, "password": password, "csrfmiddlewaretoken": token[1]}
        body = urllib.parse.urlencode(form).encode()
        with self.opener.open(self.site + "/account/login/", body, timeout=60) as response:
            return response.geturl().removeprefix(self.site), response.read().decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    # Not pytest's own folder, which it closes to other users: as root, PostgreSQL runs as one.
    var = Path(tempfile.mkdtemp(prefix="demo-", dir=settings.VAR_DIR))
    demo = Demo(var, free_port())
    print(f"first start: {demo.start():.1f} s")
    yield demo
    demo.kill()
    shutil.rmtree(var)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]


def test_it_says_where_it_is_and_who_to_log_in_as(demo):
    assert f"http://localhost:{demo.port}/" in demo.said()
    for name in ["coordinator", "researcher", "rater1", "rater2", "rater3"]:
        assert name in demo.said()


@pytest.mark.parametrize("name", ["coordinator", "researcher", "rater1", "rater2", "rater3"])
def test_everybody_it_names_can_log_in(demo, name):
    password = re.search(r"password is (\S+)", demo.said())
    assert password
    visitor = Visitor(demo.port)
    where, page = visitor.log_in(name, password[1])
    assert where == "/", page[:2000]
    assert name in page


def test_static_files_are_served_for_good_and_compressed(demo):
    visitor = Visitor(demo.port)
    _, page = visitor.get("/account/login/")
    sheet = re.search(r'href="(/static/app\.[0-9a-f]+\.css)"', page)
    assert sheet
    request = urllib.request.Request(visitor.site + sheet[1], headers={"Accept-Encoding": "gzip"})
    with visitor.opener.open(request, timeout=30) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert "immutable" in response.headers["Cache-Control"]


def test_the_plots_have_their_script(demo):
    visitor = Visitor(demo.port)
    assert "window.vegaEmbed" in visitor.get("/static/vendor/vega.js")[1]


def test_a_taken_port_is_said_before_anything_is_started(demo):
    empty = demo.var / "another"
    tried = subprocess.run(
        [sys.executable, "-m", "config.demo"],
        cwd=ROOT, env=os.environ | {"PORT": str(demo.port), "VAR_DIR": str(empty)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert tried.returncode == 1
    assert tried.stderr == (
        f"Port {demo.port} is taken by another program. Stop that, or take another port: make demo PORT={demo.port + 1}\n"
    )
    assert not empty.exists()


@pytest.mark.parametrize("port", ["no", "0", "65536", "-1"])
def test_a_port_that_is_none_is_said(port):
    tried = subprocess.run(
        [sys.executable, "-m", "config.demo"],
        cwd=ROOT, env=os.environ | {"PORT": port}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (tried.returncode, tried.stderr) == (1, f"PORT={port}: it must be a number from 1 to 65535.\n")


def test_it_mends_a_database_that_was_killed(demo):
    file = demo.var / "postgres" / "postmaster.pid"
    before = int(file.read_text().splitlines()[0])
    os.kill(before, signal.SIGKILL)
    until = time.monotonic() + 60
    while "was started again" not in demo.said() and time.monotonic() < until:
        time.sleep(0.1)
    assert "was started again" in demo.said()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            where, _ = Visitor(demo.port).get("/readyz")
            break
        except urllib.error.HTTPError:
            time.sleep(0.2)
    assert where == "/readyz"


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_it_stops_everything_it_started_and_starts_again_with_its_data(demo, number):
    visitor = Visitor(demo.port)
    password = re.search(r"password is (\S+)", demo.said())[1]
    visitor.log_in("rater1", password)

    assert demo.end(number) == 0, demo.said()
    assert demo.left() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", demo.port)) != 0
    assert "Traceback" not in demo.said()

    print(f"started again in {demo.start():.1f} s")
    # the session was kept, and so was the secret that signs it
    assert visitor.get("/account/preferences/")[0] == "/account/preferences/"
