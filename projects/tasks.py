"""Work for the worker: what takes longer than a page may, and housekeeping each night."""

from __future__ import annotations

from django.core.management import call_command
from django.db import close_old_connections, connection
from procrastinate import builtin_tasks
from procrastinate.contrib.django import app
from procrastinate.job_context import JobContext

from projects.loading import runs

KEEP_JOBS_HOURS = 30 * 24


@app.task(name="projects.load")
def carry_out_load(run_id: int) -> None:
    """Check or load an upload; how far it is stands in its LoadRun."""
    close_old_connections()
    try:
        runs.carry_out(run_id)
    finally:
        connection.close()  # the worker's threads come and go


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="forget_sessions", name="forget_sessions")
def forget_sessions(timestamp: int) -> None:
    """Sessions that ran out stay in the database until somebody takes them away."""
    call_command("clearsessions")


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="forget_jobs", name="forget_jobs", pass_context=True)
async def forget_jobs(context: JobContext, timestamp: int) -> None:
    """Jobs that are done, whatever became of them."""
    await builtin_tasks.remove_old_jobs(
        context, max_hours=KEEP_JOBS_HOURS, remove_failed=True, remove_cancelled=True, remove_aborted=True
    )
