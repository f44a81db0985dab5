"""The real settings, with a fast password hasher, plain static storage and a database server that may lose its data."""

import os

os.environ.setdefault("SECRET_KEY", "only-for-tests-abcdefghijklmnopqrstuvwxyz-0123456789")
os.environ.setdefault("HTTPS", "off")

from config.settings import *  # noqa: F403
from config.settings import DATABASE_URL, DATABASES, STORAGES, VAR_DIR

if not DATABASE_URL:
    from config.database import embedded_database

    DATABASES["default"] = embedded_database(VAR_DIR / "postgres-test", volatile=True)
# Several people, or several runs, at once: each with a database of its own.
DATABASES["default"]["TEST"] = {"NAME": os.environ.get("HYOTEI_TEST_DB") or "test_hyotei"}
# A connection that outlives its test would be in the way of the next one.
DATABASES["default"] |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_AUTOREFRESH = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
