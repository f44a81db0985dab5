"""Settings: one file, the environment decides. `config/environment.py` lists every variable, and so does the README."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF

from config.database import database_at, embedded_database
from config.environment import WrongVariable, is_set, value
from config.log import logging_config
from config.secret import kept_secret

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
try:
    DEBUG: bool = value("DEBUG")
    HTTPS: bool = value("HTTPS") if is_set("HTTPS") else not DEBUG
    VAR_DIR = BASE_DIR / value("VAR_DIR")
    SECRET_KEY: str = value("SECRET_KEY")
    ALLOWED_HOSTS: list[str] = value("ALLOWED_HOSTS")
    TIME_ZONE: str = value("TIME_ZONE")
    SESSION_COOKIE_AGE: int = value("SESSION_DAYS") * 24 * 60 * 60
    MAX_UPLOAD_BYTES: int = value("UPLOAD_MB") * 1024 * 1024
    LOGGING = logging_config(value("LOG_LEVEL"))
    ALLAUTH_TRUSTED_PROXY_COUNT: int = value("TRUSTED_PROXIES")
    EMAIL: dict[str, Any] = value("EMAIL_URL")
    DEFAULT_FROM_EMAIL: str = value("EMAIL_FROM")
    DATABASE_URL: str = value("DATABASE_URL")
    if DATABASE_URL and not SECRET_KEY:
        raise WrongVariable(
            "SECRET_KEY is not set: with DATABASE_URL it must be, to at least 50 random characters."
        )
except WrongVariable as error:
    sys.exit(str(error))
if not SECRET_KEY:
    try:
        SECRET_KEY = kept_secret(VAR_DIR / "secret_key")
    except OSError as error:
        sys.exit(
            f"{error.filename} cannot be used ({error.strerror}): run as its owner, or set VAR_DIR or SECRET_KEY."
        )

INSTALLED_APPS = [
    "projects",  # first: its templates stand before those of the packages below
    "annotation",
    "exports",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "template_partials",
    "pgtrigger",
    "pghistory",
    "procrastinate.contrib.django",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
# Lean, because each rating passes it: two queries (session, user) and no more. pghistory's middleware is left out on
# purpose: it adds a statement to each query.
MIDDLEWARE = [
    "config.middleware.name_request",
    "config.health.answer_probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "config.middleware.know_person",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# Database

DATABASES: dict[str, dict[str, Any]] = {
    "default": database_at(DATABASE_URL) if DATABASE_URL else embedded_database(VAR_DIR / "postgres")
}
# Each thread keeps its connection. Checked once per request before use, so that a database that was started again
# costs nobody an error page.
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Language and time

USE_TZ = True
LANGUAGE_CODE = "en"  # of a browser that asks for neither; most ask
LANGUAGES = [("ja", "日本語"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["config.formats"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60

# People

AUTH_USER_MODEL = "projects.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "projects.accounts.adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "projects.accounts.forms.LoginForm"}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = bool(EMAIL)
# By address generously: a room full of raters who begin at nine o'clock comes from one. By account strictly.
ACCOUNT_RATE_LIMITS = {
    "login": "300/m/ip",
    "login_failed": "60/m/ip,5/300s/key",
    "reset_password": "60/m/ip,5/m/key",
}
ACCOUNT_PRESERVE_USERNAME_CASING = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are not verified here: people come by invitation
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Hyotei"

if EMAIL:
    EMAIL_BACKEND = EMAIL["EMAIL_BACKEND"]
    EMAIL_HOST = EMAIL.get("EMAIL_HOST")
    EMAIL_PORT = EMAIL.get("EMAIL_PORT")
    EMAIL_HOST_USER = EMAIL.get("EMAIL_HOST_USER")
    EMAIL_HOST_PASSWORD = EMAIL.get("EMAIL_HOST_PASSWORD")
    EMAIL_USE_TLS = EMAIL.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = EMAIL.get("EMAIL_USE_SSL", False)
    EMAIL_FILE_PATH = EMAIL.get("EMAIL_FILE_PATH")
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# Safety

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS else 0
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],  # the picture of a TOTP secret
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
# Whether other hosts of the domain have HTTPS is not ours to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# Files

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "collected"
STATICFILES_DIRS = [BASE_DIR / "static", VAR_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_USE_FINDERS = DEBUG
if DEBUG:
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
(VAR_DIR / "static").mkdir(parents=True, exist_ok=True)  # Django warns of a folder that is not there

# API

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "exports.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "projects.pagination.OldestFirst",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # Counted per web process. A rater who submits ten times a second for a minute is a script that went wrong.
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "600/min"},
    "EXCEPTION_HANDLER": "annotation.api.errors.explained",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Hyotei",
    "VERSION": "1",
    "DESCRIPTION": "Rate, and read what was rated. docs/api.md in the repository begins with an example.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/",
    "TAGS": [
        {"name": "rating", "description": "For raters: one item after the other, blind."},
        {"name": "reading", "description": "For coordinators and researchers."},
        {"name": "projects", "description": "What you are a member of."},
    ],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "NAReason": "annotation.models.NAReason",
        "Purpose": "annotation.models.batch.Purpose",
    },
}
