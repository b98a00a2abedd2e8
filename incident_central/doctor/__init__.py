"""The doctor: what would keep a page from arriving, before it matters.

    parts.py            what is checked, part by part; another part joins there
    database_checks.py  hub_checks.py  people_checks.py   (PagerDuty's and Slack's are in integrations/)
    running.py          part by part, by itself and when somebody asks
    history.py          which finding was there from when until when
    telling.py          people are told what broke, and once more when it is mended
    watching.py         the heartbeat for a watcher outside
    command.py          a run in the terminal: incident-central doctor
    models.py           what each part found last, troubles, notices

It reads and never writes, but for its own rows and what it tells people; it pages nobody.
"""
