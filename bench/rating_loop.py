"""How quick rating is: `python -m bench.rating_loop [--small] [--items N …] [--raters N …] [--seconds S]`.

Starts the production server (gunicorn, config/gunicorn.py, DEBUG off) on an embedded PostgreSQL of its own, which waits
for the disk at every commit as in real life, and fills a project with N items of realistic Japanese text, two raters each.
Simulated raters then rate over real HTTP in a closed loop: each has a session cookie, one kept connection and a CSRF token,
and sends the next rating as soon as the answer to the last has come. One call is a submit and the next item.

Beside it the floor is measured in the same way on the same server: a bare Django view that authenticates and commits one row. The two take
turns, a second or two each, since the machine itself may become slower or quicker meanwhile. Afterwards it is counted in the database whether each acknowledged rating is there, and whether an item has
more raters than it should. Prints a table, and with --json a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
SLICES = 8


def main() -> None:
    options = read_options()
    folder = (ROOT / "var" / "bench-rating").resolve()
    if not options.keep:
        shutil.rmtree(folder / "collected", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "VAR_DIR": str(folder), "HTTPS": "off", "LOG_LEVEL": "WARNING", "DEBUG": "off",
        "DJANGO_SETTINGS_MODULE": "bench.served",
    }  # fmt: skip
    import django

    django.setup()
    from bench.rating_data import prepare, recreate_database, reset_statistics

    recreate_database()
    results = []
    with served(options) as server:
        for items in options.items:
            study = prepare(items=items, raters=max(options.raters))
            for raters in options.raters:
                reset_statistics()
                results.append(measure(server, study, raters, options))
                print(results[-1].line(), flush=True)
    summary = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "processor": processor()},
        "results": [result.as_json() for result in results],
    }
    if options.json:
        print(json.dumps(summary))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a quick look: 484 items, 8 raters, 3 seconds")
    parser.add_argument("--items", type=int, nargs="+", default=[4840, 100_000])
    parser.add_argument("--raters", type=int, nargs="+", default=[1, 53])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--processes", type=int, default=2, help="web processes")
    parser.add_argument("--threads", type=int, default=4, help="threads of each")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--server", choices=["gunicorn", "granian"], default="gunicorn")
    parser.add_argument("--keep", action="store_true", help="use the files collected by the last run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.small:
        options.items, options.raters, options.seconds = [484], [1, 8], 3
    return options


# The server


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def memory(self) -> list[float]:
        """MB in use by each web process, shared pages counted in each."""
        import psutil

        workers = psutil.Process(self.process.pid).children()
        return sorted(round(worker.memory_info().rss / 2**20, 1) for worker in workers)

    def cpu_seconds(self) -> float:
        import psutil

        return sum(sum(worker.cpu_times()[:2]) for worker in psutil.Process(self.process.pid).children())


@contextlib.contextmanager
def served(options: argparse.Namespace) -> Iterator[Server]:
    """The server as in production, with its static files collected."""
    from django.core.management import call_command

    from config.assets import write_assets
    from config.messages import compile_catalogues

    compile_catalogues()
    write_assets()
    call_command("collectstatic", interactive=False, verbosity=0)
    port = options.port or free_port()
    environment = os.environ | {
        "BIND": f"{HOST}:{port}", "WEB_PROCESSES": str(options.processes), "WEB_THREADS": str(options.threads),
    }  # fmt: skip
    if options.server == "gunicorn":
        command = ["-m", "gunicorn", "-c", str(ROOT / "config" / "gunicorn.py")]
    else:
        command = [
            "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--no-access-log",
            "--workers", str(options.processes), "--blocking-threads", str(options.threads), "config.wsgi:application",
        ]  # fmt: skip
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment)
    try:
        wait_until_ready(port, process)
        yield Server(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit("the server did not start")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/readyz") as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise SystemExit("the server is not ready after 30 s")


def processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


# A rater's browser


@dataclass
class Browser:
    """One kept connection, cookies, and what the last page said. As little else as possible: it shares the machine."""

    port: int
    slug: str
    session: str
    axes: tuple[str, ...]
    rng: random.Random
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    acknowledged: int = 0
    token: bytes = b""
    cookies: bytes = b""
    key: bytes = b""
    submission: bytes = b""
    progress: bytes = b""

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(HOST, self.port, limit=2**20)
        self.cookies = b"sessionid=" + self.session.encode()
        head, page = await self.ask(b"GET", f"/p/{self.slug}/rate/".encode())
        self.cookies += b"; csrftoken=" + between(head, b"csrftoken=", b";")
        self.token = between(page, b'name="csrfmiddlewaretoken" value="', b'"')
        self.read(page)

    def close(self) -> None:
        self.writer.close()

    def read(self, page: bytes) -> None:
        """What the form on the page needs, if there is one."""
        self.key = between(page, b'data-assignment="', b'"')
        self.submission = between(page, b'name="submission" value="', b'"')
        self.progress = between(page, b'name="progress" value="', b'"')

    async def ask(
        self, method: bytes, path: bytes, body: bytes = b"", more: bytes = b""
    ) -> tuple[bytes, bytes]:
        self.writer.write(
            b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: %s\r\nAccept-Language: ja\r\n%sContent-Length: %d\r\n\r\n%s"
            % (method, path, self.cookies, more, len(body), body)
        )
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = between(head.lower(), b"content-length: ", b"\r\n")
        page = await self.reader.readexactly(int(length or 0))
        return head, page

    async def post(self, path: bytes, body: bytes) -> bytes:
        """The answer's content; how long it took is noted."""
        began = time.perf_counter()
        head, page = await self.ask(
            b"POST",
            path,
            body,
            b"Content-Type: application/x-www-form-urlencoded\r\nHX-Request: true\r\nOrigin: http://127.0.0.1\r\n"
            b"X-CSRFToken: %s\r\n" % self.token,
        )
        self.seconds.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 200"):
            self.errors.append(head[:40].decode() + page[:200].decode(errors="replace"))
        else:
            self.acknowledged += 1
        return page

    async def rate(self, until: float) -> None:
        """Rate what is shown, and on with what the answer brings."""
        while self.key and not self.errors and time.perf_counter() < until:
            scores = b"".join(
                b"&axis%%3A%s=%d" % (axis.encode(), self.rng.randint(1, 5)) for axis in self.axes
            )
            body = b"submission=%s&earlier=&seconds=12.5&progress=%s&comment=%s" % (
                self.submission, self.progress, scores,
            )  # fmt: skip
            self.read(await self.post(f"/p/{self.slug}/rate/".encode() + self.key + b"/submit/", body))

    async def touch_floor(self, until: float) -> None:
        while not self.errors and time.perf_counter() < until:
            await self.post(b"/bench/floor/", b"submission=" + str(uuid.uuid4()).encode())


def between(text: bytes, before: bytes, after: bytes) -> bytes:
    start = text.find(before)
    if start < 0:
        return b""
    start += len(before)
    return text[start : text.find(after, start)]


# Measuring


@dataclass
class Timing:
    per_second: float
    p50: float
    p95: float
    p99: float
    calls: int
    errors: list[str]

    @classmethod
    def of(cls, browsers: list[Browser], took: float) -> Timing:
        times = sorted(second for browser in browsers for second in browser.seconds)
        at = lambda share: round(times[min(len(times) - 1, int(share * len(times)))] * 1000, 2)  # noqa: E731
        errors = [error for browser in browsers for error in browser.errors]
        return cls(round(len(times) / took, 1), at(0.5), at(0.95), at(0.99), len(times), errors)


@dataclass
class Result:
    items: int
    raters: int
    floor: Timing
    rating: Timing
    found: dict[str, int]
    memory: list[float]
    cpu: dict[str, float]

    def line(self) -> str:
        floor, rating = self.floor, self.rating
        return (
            f"{self.items:>7} items {self.raters:>3} raters | {rating.per_second:>7} ratings/s, ms p50 {rating.p50}"
            f" p95 {rating.p95} p99 {rating.p99} | floor {floor.per_second}/s, p50 {floor.p50} p95 {floor.p95}"
            f" p99 {floor.p99} | p50 is {rating.p50 / floor.p50:.2f} × the floor | errors"
            f" {len(rating.errors) + len(floor.errors)} | {self.found} | MB {self.memory} | CPU {self.cpu}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "items": self.items, "raters": self.raters, "rating": vars(self.rating), "floor": vars(self.floor),
            "ratio_p50": round(self.rating.p50 / self.floor.p50, 2), **self.found, "rss_mb": self.memory, "cpu": self.cpu,
        }  # fmt: skip


async def closed_loop(
    port: int, study: Any, raters: int, what: str, seconds: float
) -> tuple[list[Browser], float]:
    """So many raters at once, each of whom sends the next call when the last is answered; and how long it took."""
    browsers = [
        Browser(port, study.slug, session, study.axes, random.Random(number))
        for number, session in enumerate(study.sessions[:raters])
    ]
    await asyncio.gather(*(browser.open() for browser in browsers))
    began = time.perf_counter()
    await asyncio.gather(*(getattr(browser, what)(began + seconds) for browser in browsers))
    took = time.perf_counter() - began
    for browser in browsers:
        browser.close()
    return browsers, took


@dataclass
class Slices:
    """What was measured in several slices of time."""

    browsers: list[Browser] = field(default_factory=list)
    took: float = 0
    own: float = 0
    """Processor seconds of the load."""
    web: float = 0
    """Processor seconds of the server's processes."""


def measure(server: Server, study: Any, raters: int, options: argparse.Namespace) -> Result:
    from bench.rating_data import count_ratings, look_at_seats

    floor, rating = Slices(), Slices()

    def slice_of(slices: Slices, what: str, seconds: float) -> None:
        own, web = own_cpu_seconds(), server.cpu_seconds()
        browsers, took = asyncio.run(closed_loop(server.port, study, raters, what, seconds))
        slices.own += own_cpu_seconds() - own
        slices.web += server.cpu_seconds() - web
        slices.browsers += browsers
        slices.took += took

    slice_of(Slices(), "rate", 2)  # every process has its connections, caches and compiled templates
    before = count_ratings(study.slug)
    for _ in range(SLICES):
        slice_of(floor, "touch_floor", options.seconds / 3 / SLICES)
        slice_of(rating, "rate", options.seconds / SLICES)
    acknowledged = sum(browser.acknowledged for browser in rating.browsers)
    found = look_at_seats(study.slug) | {"lost": acknowledged - (count_ratings(study.slug) - before)}
    cpu = {
        "web_ms_per_call": round(rating.web / max(1, acknowledged) * 1000, 2),
        "load_ms_per_call": round(rating.own / max(1, acknowledged) * 1000, 2),
    }
    floor_timing, rating_timing = (Timing.of(slices.browsers, slices.took) for slices in (floor, rating))
    return Result(study.items, raters, floor_timing, rating_timing, found, server.memory(), cpu)


def own_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
