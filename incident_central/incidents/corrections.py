"""What people said about who somebody is in Slack, by id, so that it outlives every e-mail. Kept by correcting.py.

`whose` is PagerDuty's user id, or `user:7` for the account of somebody who has no user there.
"""

from django.db import models
from django.db.models.functions import Now


class Correction(models.Model):
    whose = models.TextField(primary_key=True)
    member_id = models.TextField(db_index=True)  # Slack's
    member_name = models.TextField()  # as it was then: Slack may not list it any more
    by = models.TextField()  # their name
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.whose} is {self.member_id}"


class OtherEmail(models.Model):
    """Tried in the order in which they were added, when Slack does not know the first one."""

    email = models.TextField(unique=True)  # in lower case
    whose = models.TextField(db_index=True)
    by = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.email
