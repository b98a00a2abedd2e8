from django.db import migrations, models

from incident_central.incidents.migrations import _search


class Migration(migrations.Migration):
    """Words of every alphabet, commanders' names and who pressed “Me too” are found, and people's incidents by service and
    priority: what is there is filed anew. What a channel was last told is known."""

    dependencies = [("incidents", "0007_directory_version")]

    operations = [
        migrations.RunPython(_search.drop, migrations.RunPython.noop),
        migrations.AddField(
            model_name="incident",
            name="news_jobs",
            field=models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict),
        ),
        migrations.RunPython(_search.make, migrations.RunPython.noop),
    ]
