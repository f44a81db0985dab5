"""The ground: settings from the environment, health, headers, the log."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections
from django.urls import reverse

from config import environment, health
from config.log import OneLine, request_id
from config.secret import kept_secret
from tests.factories import create_user

ROOT = Path(__file__).resolve().parent.parent


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """manage.py in an environment with these variables and none of our own."""
    known = {variable.name for variable in environment.VARIABLES} | {
        "DJANGO_SETTINGS_MODULE",
        "DJANGO_ALLOW_ASYNC_UNSAFE",
    }
    kept = {name: value for name, value in os.environ.items() if name not in known}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


# Settings


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("DATABASE_URL", "mysql://localhost/hyotei"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("DATABASE_URL", "postgresql://localhost:port/hyotei"),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "x" * 60),
        ("ALLOWED_HOSTS", "https://hyotei.example"),
        ("ALLOWED_HOSTS", "hyotei.example:8000"),
        ("HTTPS", "maybe"),
        ("TRUSTED_PROXIES", "-1"),
        ("WEB_PROCESSES", "0"),
        ("WEB_THREADS", "many"),
        ("EMAIL_URL", "hanako@lab.example"),
        ("TIME_ZONE", "Tokyo"),
        ("SESSION_DAYS", "1.5"),
        ("UPLOAD_MB", "0"),
        ("LOG_LEVEL", "loud"),
        ("DEBUG", "2"),
    ],
)
def test_a_wrong_value_is_explained_in_a_sentence(monkeypatch, name, wrong):
    monkeypatch.setenv(name, wrong)
    with pytest.raises(environment.WrongVariable) as caught:
        environment.value(name)
    sentence = str(caught.value)
    assert sentence.startswith(f"{name}=")
    assert "it must be" in sentence
    assert (wrong in sentence) == (name not in environment.SECRET)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("DATABASE_URL", "postgres://u:p@db.example:5433/hyotei?sslmode=require", "same"),
        ("ALLOWED_HOSTS", "a.example, .b.example,[::1]", ["a.example", ".b.example", "[::1]"]),
        ("HTTPS", "OFF", False),
        ("HTTPS", "", True),
        ("WEB_THREADS", " 8 ", 8),
        ("TIME_ZONE", "UTC", "UTC"),
    ],
)
def test_a_right_value_is_read(monkeypatch, name, text, value):
    monkeypatch.setenv(name, text)
    assert environment.value(name) == (text if value == "same" else value)


def test_every_default_is_a_right_value(monkeypatch):
    for variable in environment.VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
        variable.value()


def test_a_wrong_setting_stops_the_start_without_a_traceback():
    stopped = manage("check", TIME_ZONE="Edo")
    assert stopped.returncode == 1
    assert stopped.stderr.strip() == "TIME_ZONE='Edo': it must be a name such as Asia/Tokyo or UTC."


def test_a_database_of_ones_own_wants_a_secret_key():
    stopped = manage("check", DATABASE_URL="postgresql://localhost/hyotei")
    assert stopped.returncode == 1
    assert stopped.stderr.startswith("SECRET_KEY is not set")


def test_an_unreachable_database_is_said_in_a_sentence():
    stopped = manage(
        "migrate", DATABASE_URL="postgresql://127.0.0.1:1/hyotei", SECRET_KEY="0123456789abcdefghij" * 3
    )
    assert stopped.returncode == 1
    assert "Traceback" not in stopped.stderr
    assert "The database cannot be reached" in stopped.stderr


def test_production_passes_the_deployment_checks():
    checked = manage(
        "check", "--deploy", "--fail-level", "WARNING",
        SECRET_KEY="aB3$" + "kept-by-the-operator-0123456789-abcdefghijklmnop", ALLOWED_HOSTS="hyotei.example",
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr


def test_commands_that_need_no_database_start_none(tmp_path):
    assert manage("check", VAR_DIR=str(tmp_path)).returncode == 0
    assert not list(tmp_path.glob("postgres*"))


def test_the_readme_lists_every_variable():
    assert environment.table() in (ROOT / "README.md").read_text(encoding="utf-8")
    japanese = (ROOT / "README.ja.md").read_text(encoding="utf-8")
    missing = [variable.name for variable in environment.VARIABLES if f"`{variable.name}`" not in japanese]
    assert missing == []


def test_a_secret_is_made_once_and_read_by_us_alone(tmp_path):
    file = tmp_path / "deep" / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: kept_secret(file), range(8)))
    assert len(secrets) == 1
    assert len(secrets.pop()) > 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret_key"]


# Health


@pytest.mark.django_db
def test_the_tests_run_against_postgresql_15_or_later():
    assert connection.vendor == "postgresql"
    assert connection.pg_version >= 150000


def test_an_older_postgresql_is_refused_in_a_sentence(monkeypatch):
    from django.db.utils import NotSupportedError

    monkeypatch.setattr(type(connections["default"]), "get_database_version", lambda self: (14, 9))
    with pytest.raises(NotSupportedError, match="PostgreSQL 15 or later is required"):
        connection.check_database_version_supported()


def test_healthz_answers_whatever_the_state_of_the_database(client, monkeypatch):
    monkeypatch.setattr(health, "why_not_ready", lambda: 1 / 0)
    response = client.get("/healthz", headers={"host": "whatever"})
    assert (response.status_code, response.text) == (200, '{"status": "ok"}\n')


@pytest.mark.django_db
def test_readyz_answers_when_the_tables_are_there(client):
    response = client.get("/readyz", headers={"host": "whatever"})
    assert (response.status_code, response.text) == (200, '{"status": "ready"}\n')


@pytest.mark.django_db
def test_readyz_says_that_a_migration_is_missing(client, monkeypatch):
    monkeypatch.setattr(health, "_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("delete from django_migrations where app = 'annotation' and name >= '0002'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not ready", "reason": "migrations are not applied"}


@pytest.mark.django_db
def test_readyz_says_that_the_database_is_away(client, monkeypatch):
    def away(self: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(type(connections["default"]), "cursor", away)
    monkeypatch.setattr(type(connections["default"]), "close", lambda self: None)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reason"] == "the database cannot be reached"


# What every response carries


@pytest.mark.django_db
def test_the_security_policy_allows_nothing_unsafe(client):
    policy = client.get(reverse("account_login")).headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives == {
        "default-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
    }


@pytest.mark.django_db
def test_responses_carry_the_usual_protections(client):
    headers = client.get(reverse("account_login")).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.django_db
def test_every_page_wants_a_login_unless_it_says_otherwise(client):
    """Each address without arguments, as a stranger: to the log-in page, or among those that are public."""
    from django.urls import URLPattern, get_resolver

    public = {
        "account_login", "account_signup", "account_inactive", "account_reset_password", "account_reset_password_done",
        "account_reset_password_from_key_done", "account_email_verification_sent", "set_language",
        "mfa_login_webauthn", "mfa_authenticate", "mfa_trust", "login",
    }  # fmt: skip

    def walk(patterns: list, prefix: str = "/") -> list[tuple[str, str]]:
        found = []
        for pattern in patterns:
            route = prefix + str(pattern.pattern).removeprefix("^").removesuffix(r"\Z")
            if isinstance(pattern, URLPattern):
                found.append((pattern.name or "", route))
            elif pattern.app_name != "admin":
                found += walk(pattern.url_patterns, route)
        return found

    seen = 0
    for name, route in walk(get_resolver().url_patterns):
        if "<" in route or "(" in route or name in public:
            continue
        seen += 1
        response = client.get(route)
        # 405 of a page that only takes forms comes after the question who asks; 401 and 403 are the API's no.
        to_login = response.status_code == 302 and reverse("account_login") in response.headers["Location"]
        assert to_login or response.status_code in {401, 403}, (name, route, response.status_code)
    assert seen > 5


@pytest.mark.django_db
def test_a_request_has_a_name_that_a_proxy_may_choose(client):
    given = client.get("/healthz", headers={"x-request-id": "from-the-proxy-1"}).headers["X-Request-ID"]
    assert given == "from-the-proxy-1"
    made = client.get("/healthz", headers={"x-request-id": "bad\tid"}).headers["X-Request-ID"]
    assert len(made) == 32


@pytest.mark.django_db
def test_a_stranger_sees_no_pages_of_the_admin(client):
    assert client.get("/admin/").status_code == 302
    assert "/account/login/" in client.get("/admin/login/").headers["Location"]
    client.force_login(create_user())
    assert client.get("/admin/login/").status_code == 403


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.django_db
def test_a_page_that_is_not_there_is_explained(client, language):
    client.force_login(create_user(language=language))
    response = client.get("/no/such/page/")
    assert response.status_code == 404
    assert {"en": "There is no such page", "ja": "このページはありません"}[language] in response.text


def test_the_error_page_needs_nothing(rf):
    from django.views.defaults import server_error

    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert b"/static/app.css" in response.content


# The log


def test_a_log_line_is_one_line_without_what_people_wrote():
    formatter = OneLine("%(levelname)s %(request_id)s %(message)s")
    token = request_id.set("r-1")
    quoted = "duplicate key\nDETAIL:  Key (email)=(hanako@lab.example) already exists."
    try:
        raise ValueError(quoted)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f.py", 1, "it\nfailed", None, sys.exc_info())
    line = formatter.format(record)
    request_id.reset(token)
    assert line.startswith("ERROR r-1 it | failed | Traceback")
    assert "\n" not in line
    assert "hanako" not in line


# Serving


def test_the_web_server_is_set_up_from_the_environment(monkeypatch):
    import runpy

    monkeypatch.setenv("WEB_PROCESSES", "3")
    monkeypatch.setenv("WEB_THREADS", "5")
    monkeypatch.setenv("BIND", "0.0.0.0:9000")
    chosen = runpy.run_path(str(ROOT / "config" / "gunicorn.py"))
    assert (chosen["workers"], chosen["threads"], chosen["bind"]) == (3, 5, "0.0.0.0:9000")
    monkeypatch.setenv("WEB_THREADS", "none")
    with pytest.raises(SystemExit, match="WEB_THREADS='none'"):
        runpy.run_path(str(ROOT / "config" / "gunicorn.py"))


def test_settings_know_no_static_folder_that_is_missing():
    assert all(Path(folder).is_dir() for folder in settings.STATICFILES_DIRS)


def test_the_plots_of_pages_come_from_the_package():
    bundle = Path(settings.VAR_DIR) / "static" / "vendor" / "vega.js"
    assert "window.vegaEmbed=" in bundle.read_text(encoding="utf-8")


# At night


@pytest.mark.django_db
def test_the_worker_forgets_sessions_that_ran_out(client):
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    from projects.tasks import forget_sessions

    client.force_login(create_user())
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now())
    forget_sessions(timestamp=0)
    assert list(Session.objects.values_list("session_key", flat=True)) == [client.session.session_key]


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_what_was_put_off():
    """A job through the real worker, with a connection of its own."""
    from procrastinate.contrib.django import app
    from procrastinate.contrib.django.models import ProcrastinateJob

    job = app.configure_task("forget_jobs").defer(timestamp=0)
    # In a thread: where browser tests ran before, Playwright's event loop still belongs to this one.
    with (
        app.replace_connector(app.connector.get_worker_connector()) as worker,
        ThreadPoolExecutor(1) as thread,
    ):
        thread.submit(
            worker.run_worker, wait=False, install_signal_handlers=False, listen_notify=False
        ).result()
    # By its number: at midnight, and whenever it is late, the worker adds the jobs of the night to it.
    assert ProcrastinateJob.objects.get(pk=job).status == "succeeded"
