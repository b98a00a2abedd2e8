"""What the doctor can find of the last drills. The words are those of docs/setup/4-try-it.md."""

from incident_central.findings import Kind, Level, Table

DRILL = Table(
    Kind(
        "drill.never-tried",
        Level.REMARK,
        "Nobody has tried a drill yet",
        "On the page **Set-up** press **Go to the drill**, and start one. It pages nobody but you.",
    ),
    Kind(
        "drill.nothing-sent",
        Level.WARN,
        "The last drill of {who} was refused: nothing was sent",
        """\
Put right in PagerDuty what is named above; or delete the drill service and its escalation policy there, press \
**Forget it** on the page of your drills, and have them made anew.
Start another drill.""",
    ),
    Kind(
        "drill.not-started",
        Level.WARN,
        "The weekly drill of {who} was not started",
        """\
See that `incident-central serve` runs all the time, or a worker beside `serve --no-worker`; or put right what else is \
named above.
Start a drill by hand: on the page **Set-up** press **Go to the drill**. The next one by itself comes in a week.""",
    ),
    Kind(
        "drill.reached-somebody-else",
        Level.WARN,
        "The last drill of {who} reached somebody else",
        """\
Tell them that it was a drill.
See in PagerDuty's incident how it came to them: a workflow, or somebody who reassigned it. Keep that away from \
services whose name begins with `DRILL of Incident Central`.""",
    ),
    Kind(
        "drill.page-missing",
        Level.FAIL,
        "PagerDuty accepted the page of the last drill of {who}, and does not have it",
        """\
See on PagerDuty's status page whether it is in trouble.
Start another drill. If it happens again, tell PagerDuty's support the id of the incident.""",
    ),
    Kind(
        "drill.not-looked-at",
        Level.UNKNOWN,
        "Whether PagerDuty has the page of the last drill of {who} was not looked at",
        "It is looked at as soon as PagerDuty answers: see the page of the drill. Then check again.",
    ),
    Kind(
        "drill.not-acknowledged",
        Level.WARN,
        "Nobody acknowledged the last drill of {who}",
        """\
See in PagerDuty under **My Profile → Notification Rules** that a phone rings at once for high urgency, and that the \
phone lets PagerDuty's app through when it is muted.
Start another drill.""",
    ),
    Kind(
        "drill.no-channel",
        Level.WARN,
        "The last drill of {who} opened no channel",
        """\
Mend what is said about Slack in step 2.
Start another drill.""",
    ),
    Kind("drill.went-through", Level.OK, "The last drill of {who} went through the whole chain"),
    Kind(
        "drill.not-checked",
        Level.UNKNOWN,
        "The last drill could not be looked up",
        "Mend what is said about the database first. Then check again.",
    ),
)
