"""Make the demo project."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from annotation.demo import loading
from projects.models import User


class Command(BaseCommand):
    help = "Make the demo project and its accounts, unless it is there; say who to log in as."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="make it on a server that is in use, too")
        parser.add_argument(
            "--close-accounts",
            action="store_true",
            help="make the demo's accounts unusable, and nothing else",
        )

    def handle(self, *, yes: bool, close_accounts: bool, **options: Any) -> None:
        if close_accounts:
            self.stdout.write(f"Demo accounts closed: {loading.close_accounts()}.")
            return
        # Everybody knows the password: nothing to leave behind on a server that people work on.
        if settings.DATABASE_URL and not yes and not loading.is_there() and User.objects.exists():
            raise CommandError(
                "The demo's accounts have a password that everybody knows, and the database that DATABASE_URL names "
                "has accounts already. `manage.py load_demo --yes` makes the demo there all the same."
            )
        try:
            made = loading.load_demo()
        except loading.AccountsExist as error:
            raise CommandError(f"Accounts of these names exist already: {error}. Nothing was made.") from None
        self.stdout.write("The demo project was made." if made else "The demo project is there.")
        if loading.accounts_are_open():
            self.stdout.write(f"Log in as {', '.join(loading.ACCOUNTS)}; the password is {loading.PASSWORD}")
        else:
            self.stdout.write("Its accounts are closed.")
