"""What each part of the doctor found when it was last run."""

from django.db import models
from django.db.models.functions import Now

from incident_central.findings import Finding


class Checked(models.Model):
    part = models.TextField(primary_key=True)
    findings = models.JSONField()
    checked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "doctor_checked"

    def __str__(self) -> str:
        return self.part

    def found(self) -> list[Finding]:
        return [Finding.from_json(one) for one in self.findings]
