"""`incident-central manage createuser EMAIL`: somebody who can sign in and is no administrator."""

from incident_central.accounts.management.commands import createadmin


class Command(createadmin.Command):
    help = "Make an account, or give an existing one a new password. It is no administrator, even if it was one."
    is_admin = False
