"""`incident-central manage deactivate EMAIL`: for somebody who leaves. What they reported and wrote stays."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from incident_central.accounts.models import User


class Command(BaseCommand):
    help = "Sign somebody out everywhere, and let them sign in no more. createuser or createadmin lets them in again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *, email: str, **_: object) -> None:
        """Safe to repeat."""
        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandError(f"Nobody here has the e-mail {email}. Nothing was changed.")
        user.is_active = user.is_admin = False
        user.set_unusable_password()
        user.save()
        self.stdout.write(f"{user.email} is signed out, and cannot sign in any more.")
