"""Settings of the server under test: the real ones, with one more address (`bench.served_urls`)."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "bench.served_urls"
