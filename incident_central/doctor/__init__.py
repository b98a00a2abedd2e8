"""The doctor: what would keep a page from arriving, before it matters.

    parts.py            what is checked, part by part; another part joins there
    database_checks.py  hub_checks.py  people_checks.py   (PagerDuty's and Slack's are in integrations/)
    running.py          a run as durable work, for the Set-up page
    command.py          a run in the terminal: incident-central doctor
    models.py           what each part found last

It reads and never writes, but for its own results; it pages nobody.
"""
