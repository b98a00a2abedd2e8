from django.db import migrations, models

#: What the log told last of paging.
ENDED = """
UPDATE incidents SET paging_ended = true
 WHERE status <> 'resolved' AND (
    SELECT t.facts FROM incidents_timelineentry t
     WHERE t.incident_id = incidents.id AND t.facts LIKE '%paging:%' ORDER BY t.at DESC, t.id DESC LIMIT 1
 ) LIKE '%paging:ended%'"""


class Migration(migrations.Migration):
    """In SQL, for Django would make SQLite's table anew, and the search has triggers on it."""

    dependencies = [("incidents", "0008_search_again")]

    operations = [
        *(
            migrations.RunSQL(
                f"ALTER TABLE incidents ADD COLUMN {column} bool DEFAULT false NOT NULL",
                f"ALTER TABLE incidents DROP COLUMN {column}",
                state_operations=[
                    migrations.AddField("incident", column, models.BooleanField(db_default=False, default=False))
                ],
            )
            for column in ("on_our_user", "paging_ended")
        ),
        migrations.RunSQL(ENDED, migrations.RunSQL.noop),
    ]
