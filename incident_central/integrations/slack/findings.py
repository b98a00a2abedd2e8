"""What can be found wrong, or right, with Slack. The words are those of docs/setup/2-slack.md."""

from incident_central.findings import Kind, Level, Table

FAIL, WARN, REMARK, OK = Level.FAIL, Level.WARN, Level.REMARK, Level.OK

COPY_FROM_SLACK = """\
Open <https://api.slack.com/apps>, choose the app, and then **OAuth & Permissions**.
Copy the **Bot User OAuth Token**, `xoxb-…`, into `SLACK_BOT_TOKEN`, start Incident Central again, and check again."""
REINSTALL = """\
Open <https://api.slack.com/apps>, choose the app, and then **OAuth & Permissions**.
Under **Bot Token Scopes** press **Add an OAuth Scope** and add `{scope}`.
Press **Reinstall to Workspace**: until then the scope does not count."""

SLACK = Table(
    # ── the token ──
    Kind(
        "slack.token-missing",
        WARN,
        "No Slack token is set, so no channel opens",
        """\
Open <https://api.slack.com/apps>, press **Create New App → From a manifest**, and paste \
`docs/setup/slack-manifest.yaml`.
Press **Install to Workspace**, then **Allow**.
Copy **OAuth & Permissions → Bot User OAuth Token** into `SLACK_BOT_TOKEN`, start Incident Central again, and check \
again.""",
    ),
    Kind(
        "slack.unreachable",
        FAIL,
        "Slack cannot be reached",
        "See whether this machine reaches {address}: a firewall, a proxy (`HTTPS_PROXY`) or the network may be in the "
        "way.\nPages go out all the same; channels open when it answers.",
    ),
    Kind("slack.token-refused", FAIL, "Slack does not know this token", COPY_FROM_SLACK),
    Kind(
        "slack.token-revoked",
        FAIL,
        "This Slack token was revoked",
        "The app was uninstalled, or whoever installed it has left. Open <https://api.slack.com/apps>, choose the app, "
        "and under **OAuth & Permissions** press **Install to Workspace**.\n" + COPY_FROM_SLACK,
    ),
    Kind(
        "slack.token-expired",
        FAIL,
        "This Slack token has expired",
        "The app rotates its tokens, which end after 12 hours. That cannot be switched off again: make a new app from "
        "`docs/setup/slack-manifest.yaml`, which leaves rotation off, and delete the old one.\n" + COPY_FROM_SLACK,
    ),
    Kind("slack.token-of-a-person", FAIL, "This is a person's Slack token, and the bot's is needed", COPY_FROM_SLACK),
    Kind("slack.token-of-the-app", FAIL, "This is an app-level token, and the bot's is needed", COPY_FROM_SLACK),
    Kind(
        "slack.org-wide",
        FAIL,
        "The app is installed for the whole organisation",
        "Incident Central knows one workspace. On **Install App** of the app uninstall it from the organisation, and "
        "install it into the workspace where incidents are handled.\n" + COPY_FROM_SLACK,
    ),
    Kind("slack.token-works", OK, "Slack takes the bot token"),
    # ── what the app may do ──
    Kind("slack.may-not-open-channels", FAIL, "The app may not open channels: it lacks the scope `{scope}`", REINSTALL),
    Kind("slack.scope-missing", WARN, "The app lacks the scope `{scope}`: it cannot {what}", REINSTALL),
    Kind("slack.scopes-complete", OK, "The app has every scope that it needs"),
    Kind(
        "slack.extra-scope",
        REMARK,
        "The app has more scopes than its manifest",
        """\
Everything works. But whoever got hold of the token could do more with it than Incident Central does. Where nothing \
else uses the app, open <https://api.slack.com/apps>, choose it, and then **OAuth & Permissions**.
Under **Bot Token Scopes** take out what `docs/setup/slack-manifest.yaml` does not name, and press **Reinstall to \
Workspace**.
If the token keeps them all the same, remove the app from the workspace and install it again, and copy the new token \
into `SLACK_BOT_TOKEN`.""",
    ),
    Kind(
        "slack.channels-restricted",
        FAIL,
        "The workspace does not let the app open channels",
        "Have an owner of the workspace open **Tools & settings → Workspace settings → Permissions → Channel "
        "management** in Slack, and let the app create public channels.",
    ),
    Kind(
        "slack.channels-untried",
        REMARK,
        "Whether the workspace lets the app open channels will show at the first incident",
        "Owners may restrict it in **Tools & settings → Workspace settings → Permissions → Channel management**. It "
        "cannot be found out without opening one.",
    ),
    Kind("slack.channels-open", OK, "The app opens channels"),
    # ── the announce channel ──
    Kind(
        "slack.announce-channel-missing",
        WARN,
        "Slack has no channel {channel} to announce incidents in",
        "Put the name or the id of a channel in `SLACK_ANNOUNCE_CHANNEL`, and start Incident Central again. In a "
        "private channel type `/invite @{bot}` first: until then the app does not see it.",
    ),
    Kind(
        "slack.announce-channel-archived",
        WARN,
        "The announce channel {channel} is archived",
        "Unarchive it in Slack, or put another one in `SLACK_ANNOUNCE_CHANNEL` and start Incident Central again.",
    ),
    Kind(
        "slack.announce-channel-without-bot",
        WARN,
        "The bot is not in {channel}, and cannot announce incidents there",
        "In {channel} type `/invite @{bot}`.",
    ),
    Kind("slack.announce-channel-works", OK, "Incidents are announced in {channel}"),
    # ── the rest ──
    Kind(
        "slack.rate-limited",
        WARN,
        "Slack limits how often the app may call it",
        "It is over soon, and what waits goes on by itself. If it stays, see what else uses the same app's token, and "
        "give that an app of its own. Then check again.",
    ),
    Kind(
        "slack.clock-skew",
        WARN,
        "This machine's clock and Slack's are {seconds} s apart",
        "Have this machine set its clock by NTP: `timedatectl set-ntp true`, then `timedatectl` says whether it is "
        "synchronised. Slack's requests are refused when they are five minutes off.",
    ),
    Kind("slack.clock-agrees", OK, "This machine's clock and Slack's agree"),
    Kind(
        "slack.not-checked",
        Level.UNKNOWN,
        "{what} could not be checked in Slack",
        "Mend what is said about the token and the connection first; otherwise wait a minute. Then check again.",
    ),
)
