"""What can be found wrong, or right, with people, the database and the hub itself. The words are those of
docs/setup/2-slack.md and 3-database.md."""

from incident_central.findings import Kind, Level, Table

FAIL, WARN, REMARK, OK = Level.FAIL, Level.WARN, Level.REMARK, Level.OK

CHOOSE = (
    "open **On call → Who they are in Slack**, choose {person}, and press **It is this one** beside the right member. "
    "They can do it themselves: the menu with their initials → **You in Slack**."
)
READ_AGAIN = "Press **Read both again** in **On call → Who they are in Slack**, or wait five minutes. Then check again."

PEOPLE = Table(
    Kind(
        "people.not-in-slack",
        WARN,
        "{person} is on call {when}, and not known in Slack",
        f"If they have an account there, {CHOOSE}\n"
        "If they have none, press the workspace's name in Slack, then **Invite people to …**, and use the e-mail that "
        f"PagerDuty has.\n{READ_AGAIN}",
    ),
    Kind(
        "people.deactivated",
        WARN,
        "{person} is on call {when}, and deactivated in Slack",
        f"If they use another account there, {CHOOSE}\n"
        "Otherwise open **Tools & settings → Manage members** in Slack, press the three dots beside them, then "
        f"**Activate account**. If they have left, take them off their schedules in PagerDuty.\n{READ_AGAIN}",
    ),
    Kind(
        "people.ambiguous",
        WARN,
        "{person} is on call {when}, and several members of Slack may be them",
        f"So that they are invited to channels, {CHOOSE}",
    ),
    Kind(
        "people.guest",
        WARN,
        "{person} is on call {when}, and a guest in Slack",
        "Open **Tools & settings → Manage members** in Slack, press the three dots beside them, then **Change account "
        f"type**, and make them a member; or have a member of each incident's channel add them.\n{READ_AGAIN}",
    ),
    Kind("people.on-call-known", OK, "Everybody who is on call is known in Slack"),
    Kind(
        "people.others-not-known",
        REMARK,
        "People who are not on call, and not known in Slack: {count}",
        "Open **On call → Who they are in Slack → To look at**. For many at once, press **Download everybody as CSV**, "
        "fill in the column `Slack member id`, and send the file back with **Correct from this file**.",
    ),
    Kind(
        "people.not-checked",
        Level.UNKNOWN,
        "Who people are in Slack could not be checked",
        "Mend what is said about Slack and the database first. Otherwise see that `incident-central serve` runs, wait "
        "a minute, and check again.",
    ),
)

DATABASE = Table(
    Kind(
        "database.unreachable",
        FAIL,
        "The database cannot be used",
        """\
See that it runs, and that `DATABASE_URL` names its host, its port, a user who may connect, and the password.
Without `DATABASE_URL` it is a file in `DATA_DIR`: see that the user who runs Incident Central may write there.""",
    ),
    Kind("database.answers", OK, "{database} answers"),
    Kind(
        "database.not-migrated",
        FAIL,
        "The tables are not up to date: {count} steps are missing",
        "Run `incident-central manage migrate`, and start Incident Central again.",
    ),
    Kind("database.migrated", OK, "The tables are up to date"),
    Kind(
        "database.earlier-table",
        WARN,
        "There is a table `incidents` already, made by an earlier Incident Central",
        """\
It is left as it is, and cannot hold what this version writes. Give this version a database of its own: another name \
in `DATABASE_URL`, or another `DATA_DIR`.
Run `incident-central manage migrate`. Queries on the earlier table go on working where it is.
Run `incident-central import` with the earlier address or file: it says what it would take over, and does it with \
`--yes`.""",
    ),
    Kind(
        "database.read-only",
        FAIL,
        "Nothing can be written to the database",
        """\
PostgreSQL: see that `DATABASE_URL` leads to the primary and not to a replica, and that its disk is not full.
SQLite: see that the disk is not full, that the user who runs Incident Central may write to the file and its folder, \
and that no other program holds it.""",
    ),
    Kind("database.writable", OK, "The database can be written"),
    Kind(
        "database.disk-full",
        FAIL,
        "The disk of `DATA_DIR` is full: {free} are left",
        "Make room on the disk of {folder}, or move `DATA_DIR` to a larger one while Incident Central stands still.",
    ),
    Kind(
        "database.disk-nearly-full",
        WARN,
        "The disk of `DATA_DIR` is nearly full: {free} are left",
        "Make room on the disk of {folder}, or move `DATA_DIR` to a larger one while Incident Central stands still.",
    ),
    Kind("database.disk-has-room", OK, "The disk of `DATA_DIR` has room: {free} are left"),
    Kind(
        "database.journal-mode",
        WARN,
        "SQLite's journal mode is {mode}, where it should be wal",
        "Put `DATA_DIR` on a local disk: on a network file system SQLite can lose what it has accepted. Then start "
        "Incident Central again.",
    ),
    Kind("database.journal-mode-right", OK, "SQLite keeps what it accepts, through a crash, too"),
    Kind(
        "database.backup-missing",
        REMARK,
        "No backup was ever made by `incident-central backup`",
        "Run `incident-central backup`, and have it run every night, as in `docs/setup/3-database.md`. Where something "
        "else makes your backups, leave this as it is.",
    ),
    Kind(
        "database.backup-old",
        WARN,
        "The last backup is {days} days old",
        """\
Run `incident-central backup`: it says what keeps it from making one.
Then see why it does not run every night: `systemctl status incident-central-backup.timer \
incident-central-backup.service`.""",
    ),
    Kind("database.backup-recent", OK, "The last backup is not older than a week"),
    Kind(
        "database.clock-skew",
        WARN,
        "The database's clock and this machine's are {seconds} s apart",
        "Have both machines set their clocks by NTP: `timedatectl set-ntp true`.",
    ),
    Kind("database.clock-agrees", OK, "The database's clock and this machine's agree"),
    Kind(
        "database.time-zone",
        REMARK,
        "Times are shown in UTC",
        "Put your own time zone in `TIME_ZONE`, such as `Europe/Lisbon`, and start Incident Central again.",
    ),
    Kind("database.time-zone-set", OK, "Times are kept in UTC, and shown in {zone}"),
    Kind(
        "database.not-checked",
        Level.UNKNOWN,
        "{what} could not be checked in the database",
        "Mend what is said about the database first. Then check again.",
    ),
)

HUB = Table(
    Kind(
        "hub.base-url-missing",
        WARN,
        "Nobody has said at which address Incident Central is",
        "Put the address that people open in `BASE_URL`, such as `https://incidents.example.com`, and start Incident "
        "Central again. Until then Slack and PagerDuty have no links here, and no webhooks come.",
    ),
    Kind(
        "hub.base-url-insecure",
        WARN,
        "Incident Central is opened without encryption",
        "Put a proxy with TLS in front, as in `docs/setup/4-try-it.md`, and `https://` in `BASE_URL`. Start Incident "
        "Central again.",
    ),
    Kind("hub.base-url-set", OK, "Links lead to {address}"),
    Kind(
        "hub.no-administrator",
        WARN,
        "There is no administrator",
        'Run `incident-central manage createadmin you@example.com --name "Your Name"`.',
    ),
    Kind("hub.administrators", OK, "There is an administrator"),
    Kind(
        "hub.nobody-works",
        FAIL,
        "Nobody is working: what is to be done waits",
        "Start `incident-central serve`; where it runs with `--no-worker`, also `incident-central worker`.",
    ),
    Kind("hub.works", OK, "The work is done"),
    Kind(
        "hub.data-dir-not-kept",
        WARN,
        "While the database is gone, no report pages: `DATA_DIR` is not set",
        "Set `DATA_DIR` to a folder on a local disk that outlives a restart; in a container, a volume. Start Incident "
        "Central again.",
    ),
    Kind(
        "hub.heartbeat-missing",
        REMARK,
        "Nobody outside would notice that Incident Central is dead",
        "Have a watcher outside expect a call every minute, put the address that it gives you in `HEARTBEAT_URL`, and "
        "start Incident Central again: see `docs/setup/4-try-it.md`.",
    ),
    Kind(
        "hub.heartbeat-refused",
        WARN,
        "The watcher outside does not take the heartbeat",
        """\
See that `HEARTBEAT_URL` is the very address that the watcher shows: with `https://`, and one that leads nowhere else. \
Start Incident Central again.
See that this machine reaches the watcher: `curl -fsS -o /dev/null` with that address says nothing.""",
    ),
    Kind("hub.heartbeat-answered", OK, "A watcher outside would notice that Incident Central is dead"),
    Kind(
        "hub.mail-refused",
        WARN,
        "The last e-mail about what is broken could not be sent",
        """\
See that `EMAIL_URL` names the mail server, its port, user and password, and that the server lets that user send as \
the address in `from=`. In the password write `%2F` for `/`, `%40` for `@`.
Start Incident Central again.""",
    ),
    Kind(
        "hub.nobody-told",
        REMARK,
        "Nobody is told when something breaks",
        "Put the addresses of those who look after Incident Central in `EMAIL_URL`, or name a channel in "
        "`SLACK_ANNOUNCE_CHANNEL`, and start Incident Central again. The pages say it all the same.",
    ),
    Kind("hub.told", OK, "People are told when something breaks"),
    Kind(
        "hub.fallback-contact-missing",
        REMARK,
        "Nobody has said whom to phone when nothing works",
        "Put a name and a number in `FALLBACK_CONTACT`, such as `Incident desk, +1 555 0100`, and start Incident "
        "Central again. It is shown where nobody could be paged.",
    ),
    Kind(
        "hub.fallback-service-missing",
        REMARK,
        "The report form does not offer “I don’t know”",
        "Put the name of the service that people page who do not know what is broken in `FALLBACK_SERVICE`, and start "
        "Incident Central again.",
    ),
    Kind(
        "hub.check-failed",
        Level.UNKNOWN,
        "{what}: this check could not be made, since Incident Central itself failed",
        "Its log says more. Check again; if it fails again, report it as a bug with those lines of the log.",
    ),
    Kind(
        "hub.not-checked",
        Level.UNKNOWN,
        "{what} could not be checked",
        "Mend what is said about the database first. Then check again.",
    ),
)
