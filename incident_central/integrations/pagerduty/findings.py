"""What can be found wrong, or right, with PagerDuty. The words are those of docs/setup/1-pagerduty.md."""

from incident_central.findings import Kind, Level, Table

FAIL, WARN, REMARK, OK = Level.FAIL, Level.WARN, Level.REMARK, Level.OK

NEW_KEY = """\
In PagerDuty open **Integrations → Developer Tools → API Access Keys** and press **Create New API Key**.
Leave **Read-only API Key** unticked, press **Create Key** and copy the key: it is shown once.
Put it in `PAGERDUTY_API_KEY`, start Incident Central again, and check again."""
CHANGE_POLICY = "In PagerDuty open **People → Escalation Policies**, choose {policy} and press **Edit**."

PAGERDUTY = Table(
    # ── the key ──
    Kind("pagerduty.key-missing", FAIL, "No PagerDuty API key is set", NEW_KEY),
    Kind(
        "pagerduty.unreachable",
        FAIL,
        "PagerDuty cannot be reached",
        """\
See whether this machine reaches {address}: a firewall, a proxy (`HTTPS_PROXY`) or the network may be in the way.
See on PagerDuty's status page whether it is down. Until it answers, phone people.""",
    ),
    Kind(
        "pagerduty.key-refused",
        FAIL,
        "PagerDuty refuses this API key",
        """\
If your PagerDuty address ends in `.eu.pagerduty.com`, set `PAGERDUTY_API_URL` to `https://api.eu.pagerduty.com`; if \
it does not, leave `PAGERDUTY_API_URL` out.
Otherwise the key is mistyped, or was deleted. """
        + NEW_KEY,
    ),
    Kind("pagerduty.key-of-an-integration", FAIL, "This is an integration key, and an API key is needed", NEW_KEY),
    Kind(
        "pagerduty.account-expired",
        FAIL,
        "The PagerDuty account has expired",
        "Have the Account Owner renew it in **User icon → Account Settings → Billing**. Until then PagerDuty pages "
        "nobody.",
    ),
    Kind("pagerduty.key-read-only", FAIL, "This API key is read-only", NEW_KEY),
    Kind(
        "pagerduty.key-of-a-person",
        WARN,
        "This API key is {person}'s own",
        "It does only what {person} may do, acts as {person}, and ends with their account. Use one that belongs to "
        "nobody. " + NEW_KEY,
    ),
    Kind(
        "pagerduty.other-region",
        WARN,
        "The account lives in another region than where it is asked",
        "Set `PAGERDUTY_API_URL` to `{address}`, start Incident Central again, and check again.",
    ),
    Kind("pagerduty.key-works", OK, "PagerDuty takes the API key, and lets it write"),
    # ── the From user ──
    Kind(
        "pagerduty.from-missing",
        FAIL,
        "No From user is set",
        """\
In PagerDuty open **People → Users → Add Users**. Add “Incident Central” with an address of its own and the role \
**Responder** or **Manager** (with basic roles: **User**).
Accept the invitation that arrives there, and put the user on no schedule and no escalation policy.
Put its login e-mail in `PAGERDUTY_FROM_EMAIL`, start Incident Central again, and check again.""",
    ),
    Kind(
        "pagerduty.from-unknown",
        FAIL,
        "PagerDuty has no user {email}",
        """\
In PagerDuty open **People → Users** and look for the user of Incident Central. Its login e-mail is what counts.
If it was removed or deactivated, press **Add Users** and add it again with the role **Responder** or **Manager**.
Put its login e-mail in `PAGERDUTY_FROM_EMAIL`, start Incident Central again, and check again.""",
    ),
    Kind(
        "pagerduty.from-invited",
        WARN,
        "The From user {email} has not accepted its invitation",
        "In PagerDuty open **People → Users**, press **Resend Invite** beside it, and accept the invitation that "
        "arrives at {email}.",
    ),
    Kind(
        "pagerduty.from-stakeholder",
        FAIL,
        "The From user {email} is a stakeholder, who may not trigger incidents",
        "In PagerDuty open **People → Users**, choose it, and under **Permissions & Teams** make its role "
        "**Responder** or **Manager** (with basic roles: **User**).",
    ),
    Kind(
        "pagerduty.from-role-doubtful",
        WARN,
        "The From user {email} may trigger incidents only where a team role says so",
        "In PagerDuty open **People → Users**, choose it, and under **Permissions & Teams** make its base role "
        "**Responder** or **Manager**.",
    ),
    Kind(
        "pagerduty.from-on-call",
        FAIL,
        "{person}, as whom pages are made, is on call",
        """\
PagerDuty takes an incident that somebody makes and is assigned to as acknowledged, and pages nobody.
In PagerDuty take {person} out of these escalation policies, and out of the schedules in them: {policies}.""",
    ),
    Kind("pagerduty.from-works", OK, "The From user exists, and may trigger incidents"),
    # ── services, and whom their policies reach ──
    Kind(
        "pagerduty.no-service",
        FAIL,
        "There is no service, so there is nothing to page for",
        "In PagerDuty open **Services → Service Directory → New Service**. Give it an escalation policy that reaches "
        "somebody, and **high** urgency.",
    ),
    Kind(
        "pagerduty.one-service",
        REMARK,
        "There is only one service",
        "Two are more realistic: one for each thing that breaks by itself, and one such as “Incident Desk” for people "
        "who do not know what is broken (`FALLBACK_SERVICE`).",
    ),
    Kind(
        "pagerduty.service-disabled",
        REMARK,
        "Service {service} is disabled",
        "If it is in use, open **Services → Service Directory** in PagerDuty, choose {service}, and under **More** "
        "press **Enable Service**. The report form does not offer it as it is.",
    ),
    Kind(
        "pagerduty.service-in-maintenance",
        WARN,
        "Service {service} is in maintenance until {until}",
        "If that is over, open **Services → Service Directory** in PagerDuty, choose {service}, and end the "
        "maintenance window. Until then nobody is paged for it.",
    ),
    Kind(
        "pagerduty.service-without-policy",
        FAIL,
        "Service {service} has no escalation policy",
        "In PagerDuty open **Services → Service Directory**, choose {service}, and under **Settings → Assign and "
        "Notify** choose an escalation policy.",
    ),
    Kind(
        "pagerduty.policy-reaches-nobody",
        FAIL,
        "Escalation policy {policy} reaches nobody now",
        "It is the policy of {services}. Put somebody on its schedules in **People → On-Call Schedules**, or add a "
        "level with a person.\n" + CHANGE_POLICY,
    ),
    Kind(
        "pagerduty.policy-gap",
        WARN,
        "Escalation policy {policy} reaches nobody {when}",
        "It is the policy of {services}. Fill the gap in **People → On-Call Schedules**, or add a last level with "
        "somebody who is always there.\n" + CHANGE_POLICY,
    ),
    Kind(
        "pagerduty.levels-equal",
        WARN,
        "Levels 1 and 2 of escalation policy {policy} reach the same people",
        "Who does not hear the first page will not hear the second. Put other people on level 2.\n" + CHANGE_POLICY,
    ),
    Kind(
        "pagerduty.service-low-urgency",
        FAIL,
        "Service {service} wakes nobody: its incidents have low urgency",
        "In PagerDuty open **Services → Service Directory**, choose {service}, and under **Settings → Assign and "
        "Notify** choose **High-urgency notifications, escalate as needed**.",
    ),
    Kind(
        "pagerduty.service-low-urgency-at-times",
        WARN,
        "Service {service} wakes nobody {when} its support hours",
        "If that is not meant, open **Services → Service Directory** in PagerDuty, choose {service}, and under "
        "**Settings → Assign and Notify** choose **High-urgency notifications, escalate as needed**.",
    ),
    Kind(
        "pagerduty.auto-resolve",
        REMARK,
        "Incidents of {services} are resolved by PagerDuty itself",
        "If that is not meant, open **Services → Service Directory** in PagerDuty, choose the service, and under "
        "**Settings → Auto-resolution** switch it off.",
    ),
    Kind(
        "pagerduty.acknowledgement-timeout",
        REMARK,
        "Acknowledged incidents of {services} page again by themselves",
        "If that is not meant, open **Services → Service Directory** in PagerDuty, choose the service, and under "
        "**Settings → Acknowledgement timeout** switch it off.",
    ),
    Kind(
        "pagerduty.fallback-service-unknown",
        WARN,
        "PagerDuty has no service {service}, which “I don’t know” pages",
        "Put the name or the id of a service in `FALLBACK_SERVICE`, start Incident Central again, and check again.",
    ),
    Kind("pagerduty.services-work", OK, "{count} of {all} services reach somebody now"),
    # ── people on call ──
    Kind(
        "pagerduty.stakeholder-on-call",
        FAIL,
        "{person} is on call, and a stakeholder gets no calls",
        "In PagerDuty open **People → Users**, choose {person}, and under **Permissions & Teams** give them a role "
        "that is no stakeholder's; or take them off {policies}.",
    ),
    Kind(
        "pagerduty.invitation-open",
        WARN,
        "{person} is on call, and has not accepted PagerDuty's invitation",
        "In PagerDuty open **People → Users**, and press **Resend Invite** beside {person}; or take them off "
        "{policies} until then.",
    ),
    Kind(
        "pagerduty.no-contact-method",
        FAIL,
        "{person} is on call, and PagerDuty has no contact method that reaches them",
        "Have {person} add a phone number and PagerDuty's app in **My Profile → Contact Information**, and press "
        "**Test** beside each.",
    ),
    Kind(
        "pagerduty.no-high-urgency-rule",
        FAIL,
        "{person} is on call, and has no notification rule for high urgency",
        "Have {person} add one in **My Profile → Notification Rules**, under **High-Urgency**: a push at once, better "
        "with a phone call after a few minutes.",
    ),
    Kind(
        "pagerduty.only-email",
        FAIL,
        "{person} is on call, and is told by e-mail alone, which wakes nobody",
        "Have {person} add a phone number or PagerDuty's app in **My Profile → Contact Information**, and a rule for "
        "it in **My Profile → Notification Rules**, under **High-Urgency**.",
    ),
    Kind("pagerduty.people-work", OK, "{count} of {all} people who are on call in the next 14 days can be woken"),
    # ── the rest ──
    Kind(
        "pagerduty.priorities-off",
        REMARK,
        "Priorities are off in PagerDuty",
        "Everything works without them; the form does not ask, and the list cannot be read by priority. To have them, "
        "open **User icon → Account Settings → Incident Priorities**, where your plan has it.",
    ),
    Kind("pagerduty.priorities-on", OK, "Priorities are on"),
    Kind(
        "pagerduty.webhook-missing",
        WARN,
        "PagerDuty sends no webhooks here",
        "Run `incident-central setup webhook` while the hub runs. Until then a change in PagerDuty shows here after "
        "up to 15 seconds.",
    ),
    Kind(
        "pagerduty.webhook-disabled",
        WARN,
        "PagerDuty has switched its webhooks to us off",
        "PagerDuty does so when three in a row were refused. See that it reaches {address} from the internet.\n"
        "Run `incident-central setup webhook`, or switch it on in **Integrations → Generic Webhooks (v3)**.",
    ),
    Kind(
        "pagerduty.webhook-old-address",
        WARN,
        "PagerDuty sends its webhooks to {old}, where we are not any more",
        "Run `incident-central setup webhook`: it makes a new subscription for {address} and ends the old one.",
    ),
    Kind(
        "pagerduty.webhook-secret-unknown",
        WARN,
        "PagerDuty sends webhooks here whose secret nobody knows",
        "Run `incident-central setup webhook`: it replaces the subscription. If you made it yourself, put its secret "
        "in `PAGERDUTY_WEBHOOK_SECRET` instead.",
    ),
    Kind(
        "pagerduty.webhook-refused",
        WARN,
        "A webhook was refused, and none with a right signature has come since",
        "If `PAGERDUTY_WEBHOOK_SECRET` is set, see that it is the secret that PagerDuty showed when the subscription "
        "was made. If nobody has that any more, leave the setting out. Start Incident Central again.\n"
        "Run `incident-central setup webhook`: it replaces a subscription whose secret nobody knows, and sends a test."
        "\nIf the test arrives, and this is found again, somebody else sends them: let only PagerDuty's addresses, "
        "which are in its documentation under “IP safelists”, reach `/webhooks/pagerduty`.",
    ),
    Kind(
        "pagerduty.webhook-silent",
        WARN,
        "Things happened in PagerDuty, and no webhook told of them",
        "See that PagerDuty reaches {address} from the internet: its addresses are in its documentation under “IP "
        "safelists”.\nRun `incident-central setup webhook`, which sends a test.",
    ),
    Kind("pagerduty.webhook-works", OK, "PagerDuty sends webhooks here"),
    Kind(
        "pagerduty.rate-limit-nearly-used",
        WARN,
        "Others use up most of what PagerDuty allows this API key",
        "Give Incident Central a key of its own. " + NEW_KEY,
    ),
    Kind("pagerduty.rate-limit-free", OK, "PagerDuty's rate limit is far off"),
    Kind(
        "pagerduty.clock-skew",
        WARN,
        "This machine's clock and PagerDuty's are {seconds} s apart",
        "Have this machine set its clock by NTP: `timedatectl set-ntp true`, then `timedatectl` says whether it is "
        "synchronised.",
    ),
    Kind("pagerduty.clock-agrees", OK, "This machine's clock and PagerDuty's agree"),
    Kind(
        "pagerduty.not-checked",
        Level.UNKNOWN,
        "{what} could not be checked in PagerDuty",
        "Mend what is said about the key and the connection first; otherwise wait a minute. Then check again.",
    ),
)
