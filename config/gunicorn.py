"""How gunicorn serves Hyotei: `gunicorn -c config/gunicorn.py`. The variables are explained in the README.

Behind a proxy: gunicorn believes `X-Forwarded-Proto: https` only from the addresses in its own variable
FORWARDED_ALLOW_IPS (127.0.0.1 and ::1 unless set), and then tells Django that the request was secure. So a proxy on the
same machine works as it is, one elsewhere must be named there, and nobody else can claim to have come by HTTPS.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

from config.environment import WrongVariable, value

wsgi_app = "config.wsgi:application"
proc_name = "hyotei"
try:
    bind = value("BIND")
    workers = value("WEB_PROCESSES")
    threads = value("WEB_THREADS")
    loglevel = value("LOG_LEVEL").lower()
except WrongVariable as error:
    sys.exit(str(error))
worker_class = "gthread"
preload_app = True  # loaded once, memory shared, and a wrong setting stops the start instead of looping
timeout = 120  # of a worker that hangs; a large upload or download is no hang
graceful_timeout = 30
keepalive = 75  # longer than a usual proxy keeps its connections, so that it never writes to a closed one
accesslog = None  # the proxy in front keeps one; "-" writes it to standard output
errorlog = "-"
control_socket_disable = True
if Path("/dev/shm").is_dir():  # noqa: S108  # a heartbeat file must not wait for a disk
    worker_tmp_dir = "/dev/shm"  # noqa: S108


def when_ready(server: Any) -> None:
    """What was loaded stays for good: leave it out of every garbage collection, and out of copy-on-write."""
    gc.collect()
    gc.freeze()
    # A request makes some thousand objects that are gone at its end: by default they would be looked through ten times.
    gc.set_threshold(20_000, 20, 20)
