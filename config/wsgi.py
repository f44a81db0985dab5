"""What the web server runs."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()
# All of the code before the first request, and before gunicorn forks: loaded once, its memory shared.
import_module("config.urls")
