"""`manage.py reset_second_factor NAME`: removes the second factor (a code of an app at sign-in) of an account whose
owner lost the app and the recovery codes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from ...services.ground import staff_log


class Command(BaseCommand):
    help = "Remove the second factor of an account, so that its owner can set up another."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="user name of the account")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"There is no account named {options['name']!r}.")
        if not Authenticator.objects.filter(user=user).delete()[0]:
            raise CommandError(f"The account {user} has no second factor.")
        staff_log.note(staff_log.SHELL, "second factor reset", user)
        self.stdout.write(f"The second factor of {user} is removed. Open sessions of {user} have no staff rights now.")
