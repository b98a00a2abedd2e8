from django.db import migrations, models


class Migration(migrations.Migration):
    """In SQL, for Django would make SQLite's table anew, and the search has triggers on it."""

    dependencies = [("incidents", "0008_search_again")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE incidents ADD COLUMN {column} bool DEFAULT false NOT NULL",
            f"ALTER TABLE incidents DROP COLUMN {column}",
            state_operations=[
                migrations.AddField("incident", column, models.BooleanField(db_default=False, default=False))
            ],
        )
        for column in ("on_our_user", "paging_ended")
    ]
