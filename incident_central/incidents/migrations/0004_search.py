from django.db import migrations, models
from django.db.models import Q

from incident_central.incidents.migrations import _search

RESOLVED = Q(("status", "resolved"))


class Migration(migrations.Migration):
    dependencies = [("incidents", "0003_acting")]

    operations = [
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=RESOLVED, fields=["service", "-resolved_at", "-id", "created_at"], name="resolved_by_service"
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=RESOLVED, fields=["priority", "-resolved_at", "-id", "created_at"], name="resolved_by_priority"
            ),
        ),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=RESOLVED,
                fields=["service", "priority", "-resolved_at", "-id", "created_at"],
                name="resolved_by_both",
            ),
        ),
        migrations.RemoveIndex(model_name="incident", name="resolved_first"),
        migrations.AddIndex(
            model_name="incident",
            index=models.Index(
                condition=RESOLVED, fields=["-resolved_at", "-id", "created_at"], name="resolved_first"
            ),
        ),
        migrations.RunPython(_search.make, _search.drop),
    ]
