"""What every test stands on: message catalogues, files for the browser, a test database that matches the migrations, calm Hypothesis."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.utils import translation

from config.assets import write_assets
from config.messages import BadCatalogue, compile_catalogues

hypothesis.settings.register_profile("hyotei", deadline=None, print_blob=True)
hypothesis.settings.load_profile("hyotei")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # once, not in each worker of xdist
        try:
            compile_catalogues()
        except BadCatalogue as error:  # test_messages.py fails of it; no other test has to
            print(error, file=sys.stderr)
        write_assets()


def _migrations_hash() -> str:
    made_from = hashlib.sha256()
    for file in sorted(settings.BASE_DIR.glob("*/migrations/*.py")):
        made_from.update(file.read_bytes())
    return made_from.hexdigest()


def _note() -> Path:
    """The file that says from which migrations the test database was made."""
    return settings.BASE_DIR / "var" / "test-databases" / settings.DATABASES["default"]["TEST"]["NAME"]


@pytest.fixture(scope="session")
def django_db_createdb(request, django_db_modify_db_settings) -> bool:
    """Make the test database anew when a migration was edited since it was made; otherwise keep it."""
    note = _note()
    return request.config.getvalue("create_db") or not note.exists() or note.read_text() != _migrations_hash()


@pytest.fixture(scope="session")
def django_db_setup(django_db_createdb, django_db_setup) -> None:
    note = _note()
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(_migrations_hash())


@pytest.fixture(autouse=True)
def _language_of_its_own() -> Iterator[None]:
    """A request leaves its language behind; the next test begins with the site's."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def base_dir() -> Path:
    return settings.BASE_DIR
