"""Migrations: complete, in one line, and with a way back."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL

OURS = ("projects", "annotation", "exports")


@pytest.fixture(scope="module")
def loader() -> MigrationLoader:
    return MigrationLoader(None)


@pytest.mark.django_db
def test_no_change_of_a_model_is_without_a_migration(capsys):
    call_command("makemigrations", check=True, dry_run=True)
    assert "No changes detected" in capsys.readouterr().out


@pytest.mark.django_db
def test_the_test_database_has_all_of_them(loader):
    applied = MigrationLoader(connection).applied_migrations
    assert set(loader.disk_migrations) <= set(applied)


def test_they_stand_in_one_line(loader):
    assert loader.detect_conflicts() == {}


def test_each_has_a_way_back(loader):
    stuck = [
        f"{app}.{name}"
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS
        for operation in migration.operations
        if isinstance(operation, RunPython | RunSQL) and not operation.reversible
    ]
    assert stuck == []


def test_each_has_a_name_that_says_what_it_does(loader):
    assert [name for app, name in loader.disk_migrations if app in OURS and "_auto_" in name] == []


def test_each_app_of_ours_has_its_models_migrated(loader):
    with_models = {
        app for app in OURS if apps.is_installed(app) and list(apps.get_app_config(app).get_models())
    }
    assert with_models <= loader.migrated_apps
