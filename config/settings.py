"""Settings: one file, the environment decides. The README lists every variable."""

from __future__ import annotations

from pathlib import Path

import environ

from config.database import embedded_url

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="not-for-production" if DEBUG else "x" * 60)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "pghistory",
    "django_htmx",
    "template_partials",
    "projects",
    "annotation",
    "exports",
]
AUTH_USER_MODEL = "projects.User"
ROOT_URLCONF = "config.urls"
DATABASES = {"default": env.db_url_config(env("DATABASE_URL", default="") or embedded_url(BASE_DIR / "var" / "postgres"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("ja", "日本語"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
STATIC_URL = "static/"
