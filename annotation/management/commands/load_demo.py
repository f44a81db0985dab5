"""Make the demo project."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.demo import loading


class Command(BaseCommand):
    help = "Make the demo project and its accounts, unless it is there; say who to log in as."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="make it on a server named by DATABASE_URL, too")
        parser.add_argument("--close-accounts", action="store_true", help="make the demo's accounts unusable")

    def handle(self, *, yes: bool, close_accounts: bool, **options: Any) -> None:
        if close_accounts:
            self.stdout.write(f"{loading.close_accounts()} demo accounts closed.")
            return
        # Everybody knows the password: not something to leave on a server that others reach.
        if settings.DATABASE_URL and not yes:
            raise CommandError(
                "The demo's accounts have a password that everybody knows, and DATABASE_URL names a server. "
                "Add --yes if nobody else can reach it."
            )
        try:
            made = loading.load_demo()
        except loading.AccountsExist as error:
            raise CommandError(f"Accounts of these names exist already: {error}. Nothing was made.") from None
        self.stdout.write("Demo project made." if made else "The demo project is there.")
        self.stdout.write(f"Log in as {', '.join(loading.ACCOUNTS)}; the password is {loading.PASSWORD}")
