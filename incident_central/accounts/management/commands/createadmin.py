"""`incident-central manage createadmin EMAIL`: makes an administrator, or gives one a new password."""

import getpass
import sys

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from incident_central.accounts.models import User


class Command(BaseCommand):
    help = "Make an administrator, or give an existing one a new password."
    is_admin = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *, email: str, name: str, password_stdin: bool, **_: object) -> None:
        password = sys.stdin.readline().rstrip("\n") if password_stdin else _ask_twice()
        try:
            validate_email(email)
            validate_password(password)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            user = User.objects.create_user(email, name=name or email.partition("@")[0])
        user.is_admin, user.is_active = self.is_admin, True
        user.set_password(password)
        user.save()
        what = "an" if user.is_admin else "no"
        self.stdout.write(f"{user.email} can sign in now and is {what} administrator.")


def _ask_twice() -> str:
    password = getpass.getpass("Password, at least 10 characters: ")
    if password != getpass.getpass("Again: "):
        raise CommandError("The two passwords are not the same. Nothing was changed.")
    return password
