"""The demo's accounts have a password that everybody knows: they come into being only where that does no harm."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotation.demo import loading
from projects.models import Project, User
from tests.factories import create_user


@pytest.mark.django_db
def test_on_a_server_that_has_accounts_the_demo_is_made_only_when_told_twice(settings):
    settings.DATABASE_URL = "postgresql://somewhere/hyotei"
    create_user(username="somebody")

    with pytest.raises(CommandError, match="password that everybody knows"):
        call_command("load_demo")
    assert not Project.objects.exists()

    said = StringIO()
    call_command("load_demo", yes=True, stdout=said)
    assert loading.PASSWORD in said.getvalue()


@pytest.mark.django_db
def test_an_account_of_somebody_else_is_never_taken_over():
    create_user(username="coordinator", password="their own")

    with pytest.raises(CommandError, match="coordinator"):
        call_command("load_demo")

    assert not Project.objects.exists()
    assert User.objects.get().check_password("their own")
