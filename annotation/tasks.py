"""Work for the worker: what raters will be shown is rendered before they come."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from django.db import close_old_connections, connection
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from annotation import rendering

SECONDS_AT_ONCE = 10  # then whoever waits comes first


@app.periodic(cron="*/10 * * * *")
@app.task(name="render_texts", queueing_lock="render_texts", lock="render_texts", priority=-10)
def render_texts(timestamp: int | None = None) -> None:
    """Render what can be handed out; what is left after a while is another job, behind those that wait."""
    close_old_connections()
    try:
        until = monotonic() + SECONDS_AT_ONCE
        if not rendering.render_waiting(lambda: monotonic() < until)[1]:
            render_soon()
    finally:
        connection.close()  # the worker's threads come and go


def render_soon() -> None:
    """Have what can be handed out rendered as soon as the worker has nothing else to do."""
    with suppress(AlreadyEnqueued):
        render_texts.defer()


@app.periodic(cron="57 3 * * *")
@app.task(name="forget_renderings", queueing_lock="forget_renderings")
def forget_renderings(timestamp: int) -> None:
    """What belongs to batches that are closed."""
    rendering.forget_renderings()
