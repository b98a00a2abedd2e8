from django.db import migrations

from incident_central.incidents.migrations import _search


class Migration(migrations.Migration):
    """Words of every alphabet, commanders' names and who pressed “Me too” are found; what is there is filed anew."""

    dependencies = [("incidents", "0007_directory_version")]

    operations = [
        migrations.RunPython(_search.drop, migrations.RunPython.noop),
        migrations.RunPython(_search.make, migrations.RunPython.noop),
    ]
