"""Uploads: kept until they are loaded, carried out here or by a worker, watched and stopped from the page."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path, PurePath

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import OperationalError, connection
from django.db.models import Q
from django.utils import timezone
from psycopg.errors import QueryCanceled

from projects.loading.options import Options, Source
from projects.loading.packing import packed
from projects.loading.report import NotLoaded, Report
from projects.loading.service import Stopped, load, try_load
from projects.models import LoadRun, Project, User

#: Up to this size it is done before the page answers.
AT_ONCE = 1 << 20
#: Files of uploads that nobody went on with.
KEPT = timedelta(days=14)
BEAT = 1.0

logger = logging.getLogger(__name__)


def folder(run: LoadRun) -> Path:
    """Where its files lie: never under what the web server gives out."""
    return Path(settings.VAR_DIR) / "uploads" / str(run.key)


def keep_files(*, project: Project, files: Sequence[UploadedFile[bytes]], by: User) -> LoadRun:
    """Write the files down for later. They are named by number: what people call them is no path."""
    _forget_old()
    run = LoadRun(project=project, created_by=by)
    place = folder(run)
    place.mkdir(parents=True, mode=0o700)
    try:
        for number, file in enumerate(files):
            stored = f"{number:03}"
            with (place / stored).open("wb") as target:
                for chunk in file.chunks():
                    target.write(chunk)
            name = PurePath((file.name or "").replace("\\", "/")).name
            name = "".join(char for char in name if char.isprintable())[:200] or stored
            run.files.append({"name": name, "stored": stored, "size": file.size})
        run.save()
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return run


def has_files(run: LoadRun) -> bool:
    return folder(run).is_dir()


def sources(run: LoadRun) -> list[Source]:
    return [Source(folder(run) / file["stored"], file["name"]) for file in run.files]


def options_of(run: LoadRun) -> Options:
    said = dict(run.options)
    said["na_values"] = tuple(said.get("na_values", ()))
    return Options(**said)


def keep_options(run: LoadRun, options: Options) -> None:
    run.options = asdict(options)
    run.save(update_fields=["options"])


def begin(run: LoadRun, *, dry_run: bool) -> bool:
    """Check the files, or load them: small ones now, others by a worker. False if that is under way already."""
    from projects.tasks import carry_out_load  # which needs the app registry

    now = timezone.now()
    lost = Q(state=LoadRun.State.RUNNING) & (Q(seen_at=None) | Q(seen_at__lt=now - timedelta(seconds=60)))
    idle = ~Q(state__in=[LoadRun.State.QUEUED, LoadRun.State.RUNNING, LoadRun.State.DONE])
    begun = LoadRun.objects.filter(idle | lost, pk=run.pk).update(
        state=LoadRun.State.QUEUED,
        is_dry_run=dry_run,
        stop_wanted=False,
        done=0,
        whole=0,
        doing="",
        queued_at=now,
        seen_at=None,
        ended_at=None,
        report=None,
    )
    if not begun:
        return False
    if _work(run) <= AT_ONCE:
        carry_out(run.pk)
    else:
        carry_out_load.configure(lock=f"load-{run.project_id}").defer(run_id=run.pk)
    return True


def _work(run: LoadRun) -> int:
    """How much there is to read, in bytes of text: workbooks and Parquet files are packed."""
    packed_kinds = (".xlsx", ".parquet")
    return sum(file["size"] * (8 if file["name"].lower().endswith(packed_kinds) else 1) for file in run.files)


def ask_to_stop(run: LoadRun) -> None:
    """What waits is stopped at once; what is under way stops within a second or two."""
    waiting = LoadRun.objects.filter(pk=run.pk, state=LoadRun.State.QUEUED)
    if not waiting.update(state=LoadRun.State.STOPPED, ended_at=timezone.now()):
        LoadRun.objects.filter(pk=run.pk, state=LoadRun.State.RUNNING).update(stop_wanted=True)


def discard(run: LoadRun) -> bool:
    """Forget the upload and delete its files; not while it is under way."""
    if run.is_under_way:
        return False
    shutil.rmtree(folder(run), ignore_errors=True)
    run.delete()
    return True


def carry_out(run_id: int) -> None:
    """Do what `begin` asked for. Called by the page or by a worker; a second call finds nothing to do."""
    mine = LoadRun.objects.filter(pk=run_id, state=LoadRun.State.QUEUED)
    if not mine.update(state=LoadRun.State.RUNNING, seen_at=timezone.now()):
        return
    run = LoadRun.objects.select_related("project", "created_by").get(pk=run_id)
    with _Watch(run) as watch:
        state, report = _outcome(run, watch)
    LoadRun.objects.filter(pk=run_id).update(
        state=state,
        report=packed(report) if report else None,
        ended_at=timezone.now(),
        done=watch.done,
        whole=watch.whole,
    )
    if state == LoadRun.State.DONE:
        shutil.rmtree(folder(run), ignore_errors=True)


def _outcome(run: LoadRun, watch: _Watch) -> tuple[str, Report | None]:
    do: Callable[..., Report] = try_load if run.is_dry_run else load
    try:
        report = do(
            project=run.project,
            files=sources(run),
            options=options_of(run),
            by=run.created_by,
            progress=watch.progress,
        )
    except NotLoaded as refused:
        return LoadRun.State.REFUSED, refused.report
    except Stopped:
        return LoadRun.State.STOPPED, None
    except (OperationalError, QueryCanceled):  # COPY is psycopg's own, past Django's names for errors
        if watch.stop_wanted:
            return LoadRun.State.STOPPED, None
        logger.exception("A load failed: %s", run.key)
        return LoadRun.State.FAILED, None
    except Exception:
        logger.exception("A load failed: %s", run.key)
        return LoadRun.State.FAILED, None
    if report.refused:
        return LoadRun.State.REFUSED, report
    return (LoadRun.State.CHECKED if run.is_dry_run else LoadRun.State.DONE), report


class _Watch:
    """Says every second how far the load is, and looks whether somebody wants it stopped.

    In a thread with a connection of its own: the load's own transaction shows nothing until it is over, and a long
    statement must be cancelled from outside.
    """

    def __init__(self, run: LoadRun) -> None:
        self._run = run
        self.done = 0
        self.whole = run.size
        self.doing = ""
        self.stop_wanted = False
        self._over = threading.Event()
        self._loading = connection.connection
        self._thread = threading.Thread(target=self._beat, name=f"watch-{run.key}", daemon=True)

    def __enter__(self) -> _Watch:
        connection.ensure_connection()
        self._loading = connection.connection
        if _work(self._run) > AT_ONCE:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def progress(self, done: int, whole: int, what: str) -> None:
        self.done, self.whole, self.doing = done, whole, what
        if self.stop_wanted:
            raise Stopped

    def _beat(self) -> None:
        try:
            while not self._over.wait(BEAT):
                self._say_and_look()
        except Exception:
            logger.exception("Nobody can see how far a load is: %s", self._run.key)
        finally:
            connection.close()

    def _say_and_look(self) -> None:
        LoadRun.objects.filter(pk=self._run.pk).update(
            done=self.done, whole=self.whole, doing=self.doing, seen_at=timezone.now()
        )
        if LoadRun.objects.filter(pk=self._run.pk, stop_wanted=True).exists() and not self._over.is_set():
            self.stop_wanted = True
            self._loading.cancel_safe()


def _forget_old() -> None:
    old = LoadRun.objects.filter(created_at__lt=timezone.now() - KEPT)
    for run in old.exclude(state__in=[LoadRun.State.QUEUED, LoadRun.State.RUNNING, LoadRun.State.DONE]):
        shutil.rmtree(folder(run), ignore_errors=True)
