"""Incidents and what we know of the people and services around them.

Methods of Incident say what happened; each writes its own timeline entry, in the caller's transaction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from django.db import connection, models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from incident_central.database import now
from incident_central.incidents import in_words
from incident_central.incidents.actions import Action as Action
from incident_central.incidents.copies import DirectoryVersion as DirectoryVersion
from incident_central.incidents.copies import EscalationPolicy as EscalationPolicy
from incident_central.incidents.copies import Member as Member
from incident_central.incidents.copies import MembersRead as MembersRead
from incident_central.incidents.copies import OnCall as OnCall
from incident_central.incidents.copies import Person as Person
from incident_central.incidents.copies import Priority as Priority
from incident_central.incidents.copies import Service as Service
from incident_central.incidents.copies import Team as Team
from incident_central.incidents.copies import our_user_id as our_user_id
from incident_central.incidents.corrections import Correction as Correction
from incident_central.incidents.corrections import OtherEmail as OtherEmail
from incident_central.incidents.in_words import Kind as Kind
from incident_central.incidents.in_words import Status as Status
from incident_central.incidents.naming import is_name
from incident_central.incidents.pace import CallsLeft as CallsLeft
from incident_central.incidents.text import clean
from incident_central.incidents.text import listing as listing
from incident_central.incidents.webhooks import RefusedWebhook as RefusedWebhook
from incident_central.incidents.webhooks import Webhook as Webhook
from incident_central.incidents.webhooks import WebhookSubscription as WebhookSubscription
from incident_central.integrations.base import Channel, LogEntry, Page, Reference
from incident_central.rows import insert, update

#: The source of those that nobody reported here.
FROM_PAGERDUTY = "pagerduty"
#: What refreshed() brings up to date.
SHOWN = (
    *("status", "status_changed_at", "acknowledged_at", "acknowledged_by", "resolved_at", "merged_into"),
    *("assigned", "on_our_user", "paging_ended", "policy_id", "escalation_level", "title", "urgency"),
    *("service_id", "priority_id"),
)
#: PagerDuty's times of one event, in the incident and in its log, differ by less.
SLACK = timedelta(seconds=5)
#: What PagerDuty logged after we read it is, by its clock, not so much older: clocks differ. (Not by the day that
#: integrations.base allows for, or an older change would be taken for this one.)
READ_AT_IS_OFF_BY = timedelta(minutes=10)


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> Self:
        """Worst first: nobody on it, then by priority, then the oldest."""
        unknown_last = models.F("priority__rank").asc(nulls_last=True)
        return self.exclude(status=Status.RESOLVED).order_by("-status", unknown_last, "created_at", "id")

    def resolved(self) -> Self:
        return self.filter(status=Status.RESOLVED).order_by("-resolved_at", "-id")


def _resolved_indexes() -> list[models.Index]:
    """The list's order under each filter. `created_at` is there so that a range of it is told from the index alone."""
    order = ["-resolved_at", "-id", "created_at"]
    under = {"first": [], "by_service": ["service"], "by_priority": ["priority"], "by_both": ["service", "priority"]}
    return [
        models.Index(fields=[*fields, *order], name=f"resolved_{name}", condition=Q(status=Status.RESOLVED))
        for name, fields in under.items()
    ]


#: Between a note that is written in PagerDuty and who wrote it here; and between them and when.
WRITTEN_HERE, THROUGH = "\n\nWritten by ", " through Incident Central, "


class Incident(models.Model):
    """Our record. Status, number and assignees are PagerDuty's; the first ten columns are as they have always been."""

    id = models.TextField(primary_key=True)  # its name; also the key of its page
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField(auto_now=True)
    pagerduty_id = models.TextField(null=True, unique=True)
    pagerduty_url = models.TextField(null=True)
    slack_channel_id = models.TextField(null=True, unique=True)
    slack_channel_name = models.TextField(null=True)
    slack_channel_url = models.TextField(null=True)
    reporter_email = models.TextField()
    incident_commander_email = models.TextField(null=True)

    reporter_name = models.TextField(blank=True)
    source = models.TextField()  # web, slack, api, cli, pagerduty
    sender = models.TextField()  # whose report_id it is: a person or a token
    report_id = models.UUIDField()
    digest = models.TextField()  # of the report's content, to tell a repeat from another report
    title = models.TextField()
    description = models.TextField(blank=True)
    service = models.ForeignKey(Service, on_delete=models.PROTECT)
    priority = models.ForeignKey(Priority, on_delete=models.PROTECT, null=True)
    priority_refused = models.BooleanField(default=False)
    status = models.TextField(choices=Status, default=Status.TRIGGERED)
    pagerduty_number = models.BigIntegerField(null=True)
    assigned = models.JSONField(default=list)  # names of who is being paged, or is on it
    paged_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(blank=True)
    resolved_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)  # when PagerDuty was last asked, and said something new
    summary_ts = models.TextField(blank=True)  # the pinned message
    urgency = models.TextField(blank=True, default="", db_default="")
    # The one that its page follows, which may be another than its service's.
    policy = models.ForeignKey(EscalationPolicy, on_delete=models.SET_NULL, null=True, related_name="incidents")
    escalation_level = models.IntegerField(null=True)  # reached so far; unknown for people named by hand
    status_changed_at = models.DateTimeField(null=True)  # by PagerDuty's clock
    merged_into = models.TextField(
        blank=True, default="", db_default=""
    )  # what PagerDuty calls the one that this was resolved for
    stale_since = models.DateTimeField(null=True)  # something happened in PagerDuty that we have not read yet
    missing_at = models.DateTimeField(null=True)  # when it was asked for last, where PagerDuty does not show it
    reminded_of = models.DateTimeField(null=True)  # the status_changed_at that nobody had answered for too long
    whole_log_read = models.BooleanField(default=False, db_default=False)  # from its beginning
    commander_name = models.TextField(blank=True, default="", db_default="")
    links = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))  # [[text, address], …]
    # Keys of the jobs that told its channel last, by what they told.
    news_jobs = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    paging_ended = models.BooleanField(default=False, db_default=False)  # there is nobody left to escalate to
    on_our_user = models.BooleanField(default=False, db_default=False)  # by whom we act, and who has no phone

    objects = IncidentQuerySet.as_manager()

    class Meta:
        db_table = "incidents"
        constraints = [models.UniqueConstraint(fields=["sender", "report_id"], name="one_incident_per_report")]
        indexes = [
            models.Index(fields=["service"], name="open_by_service", condition=~Q(status=Status.RESOLVED)),
            models.Index(fields=["stale_since"], name="to_read_again", condition=Q(stale_since__isnull=False)),
            *_resolved_indexes(),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def name(self) -> str:
        return self.id

    @property
    def is_open(self) -> bool:
        return self.status != Status.RESOLVED

    @property
    def rings_nobody(self) -> bool:
        """Nobody has it, and nobody's phone rings."""
        return self.status == Status.TRIGGERED and (self.paging_ended or self.on_our_user)

    @property
    def is_from_pagerduty(self) -> bool:
        """PagerDuty opened it by itself, and nobody here has asked for a channel yet."""
        return self.source == FROM_PAGERDUTY and not is_name(self.id)

    @property
    def commander(self) -> str:
        """Their name, as far as we know it; empty where there is nobody. Whoever reported it leads until somebody takes
        command."""
        email = self.incident_commander_email
        if not email:
            return ""
        if self.commander_name or email == self.reporter_email:
            return self.commander_name or self.reporter
        return Person.objects.filter(email=email).values_list("name", flat=True).first() or email

    @property
    def missing_since(self) -> datetime | None:
        """Since when PagerDuty does not show it; None where it does."""
        if self.missing_at is None:
            return None
        noted = self.timeline.filter(facts=_joined([in_words.MISSING])).values_list("at", flat=True)
        return noted.first() or self.missing_at

    @property
    def followed_policy(self) -> EscalationPolicy | None:
        """The one that its page follows; before it has one, its service's."""
        return self.policy or self.service.policy

    def on_call_now(self) -> dict[int, list[OnCall]]:
        policy = self.followed_policy
        return policy.on_call_at(timezone.now()) if policy else {}

    # ── what happened ─────────────────────────────────────────────────────────────────────────────

    def reported(self) -> None:
        who = self.reporter_name or self.reporter_email
        text = f"Reported by {who}"
        # PagerDuty's log tells whole seconds. What it did in the second of the report came after it.
        at = self.created_at.replace(microsecond=0)
        self._note(text, body=self.description, source="report", kind=Kind.STATUS, at=at)

    def taken_over(self, where: str) -> None:
        """It was in the table of an earlier Incident Central."""
        self.reported()
        lost = "What it was about, its service, priority and status were not kept there: it counts as resolved."
        self._note("Taken over from an earlier Incident Central", body=f"From {where}. {lost}")

    def made_full(self, old_name: str, *, who: str) -> None:
        self._note(f"{who} opened a channel for it: {old_name} is {self.name} now")

    def brought_in(self, viewers: Iterable[str]) -> None:
        """It was taken while the database was gone; `viewers` looked at phone numbers in the meantime."""
        self._note("Brought into the database, which was gone when this was reported")
        self.phones_looked_up(viewers)

    def also_paged_as(self, name: str) -> None:
        """The report came again while the database was gone, by a process that did not know it."""
        text = f"Sent again while the database was gone, and paged a second time as {name}"
        if not self.timeline.filter(text=text).exists():
            self._note(text)

    def also_reported(self, other: "Incident", page: Page | None) -> None:
        """The form came again in other words while the database was gone, to a process that did not know of this one,
        and so under the same name. `page` is what that process knows of. Saying so again changes nothing."""
        facts = _joined([in_words.report_fact(other.digest)])
        if self.timeline.filter(facts=facts).exists():
            return
        told = [other.description] if other.description != self.description else []
        if other.service_id != self.service_id:
            told.append(f"Service: {other.service.name}")
        if other.priority_id != self.priority_id:
            told.append(f"Priority: {other.priority.name if other.priority else 'none'}")
        told.append(self._how_paged(other, page))
        text, body = f"Reported in other words, too: “{other.title}”", "\n".join(filter(None, told))
        self._note(text, body=body, source="report", kind=Kind.NOTE, at=other.created_at, facts=facts)

    def _how_paged(self, other: "Incident", page: Page | None) -> str:
        """A key is one page's among those that are open on one service, not on two."""
        if page is not None and self.pagerduty_id not in (None, page.id):
            where = f"PagerDuty incident #{page.number} on {page.service.name}"
            return f"It was paged by itself: {where}, {page.url}. What becomes of that one is not shown here."
        if other.service_id == self.service_id or (page is not None and page.service_id == other.service_id):
            return ""
        return f"{other.service.name} {'may not have been' if page is None else 'was not'} paged for it."

    def paged(self, page: Page, *, asked_at: datetime) -> None:
        """PagerDuty has the page. Saying so again changes nothing."""
        if self.pagerduty_id is None:
            self.pagerduty_id, self.pagerduty_url, self.pagerduty_number = page.id, page.url, page.number
            self.paged_at = page.created_at
            self._save("pagerduty_id", "pagerduty_url", "pagerduty_number", "paged_at")
            who = names(page.assigned) or self.service.name
            self._note(f"Paged {who}", body=f"PagerDuty incident #{page.number}", source="pagerduty")
        elif self.pagerduty_number is None:  # an earlier Incident Central did not keep it
            self.pagerduty_number = page.number
            self._save("pagerduty_number")
        self.refreshed(page, asked_at=asked_at)

    def refreshed(self, page: Page, *, asked_at: datetime) -> None:
        """Take over what PagerDuty said when it was asked at `asked_at`.

        An answer to an older question than the last one taken over is old news, and left alone. What its log has not
        told yet gets an entry in the timeline; the log's own takes its place: see logged().
        """
        if self.is_old_news(asked_at):
            return
        page = self._with_who_pressed(page)
        before = self._shown()
        self.on_our_user = len(page.assigned) == 1 and page.assigned[0].id == our_user_id()
        if page.status != self.status:
            self._status_changed(page)
        elif page.status == Status.ACKNOWLEDGED:
            self.acknowledged_by = names(page.acknowledged_by)
        self.status_changed_at, self.urgency = page.status_changed_at, page.urgency
        self.merged_into = page.merged_into.name if page.merged_into else ""
        self._fields_changed(page)
        self._policy_changed(page)
        if page.assigned or page.status != Status.RESOLVED:
            self.assigned = [one.name for one in page.assigned]
        if self.read_at is None or self._shown() != before:
            self.read_at = asked_at
            self._save("read_at", *SHOWN)

    def is_old_news(self, asked_at: datetime) -> bool:
        """Whether PagerDuty has answered a later question, and that was taken over."""
        answered = max(filter(None, (self.read_at, self.missing_at)), default=None)
        # One that was asked in the future was asked before the clock was set back.
        return answered is not None and asked_at < answered <= now()

    def _shown(self) -> list[object]:
        return [getattr(self, name) for name in SHOWN]

    def _status_changed(self, page: Page) -> None:
        before, self.status = self.status, page.status
        self.resolved_at = None
        if page.status == Status.ACKNOWLEDGED:
            at = page.acknowledged_at or page.status_changed_at
            self.acknowledged_at = min(self.acknowledged_at or at, at)
            self.acknowledged_by = names(page.acknowledged_by)
            text = f"Acknowledged by {self.acknowledged_by or 'somebody'}"
        elif page.status == Status.RESOLVED:
            at = self.resolved_at = page.resolved_at or page.status_changed_at
            self.acknowledged_by = self._last_to_acknowledge() or self.acknowledged_by
            text = "Resolved"
        else:
            at, self.acknowledged_by = page.status_changed_at, ""
            self.paging_ended = self._has_paging_ended(since=at - SLACK)  # somebody is paged anew
            was = "Reopened" if before == Status.RESOLVED else "No longer acknowledged"
            text = f"{was}: {names(page.assigned) or 'nobody'} paged"
        self._observed(Kind.STATUS, text, fact=in_words.status_fact(page.status), at=at)

    def _fields_changed(self, page: Page) -> None:
        """Service and priority as far as our copy of the directory has them already; else at a later reading."""
        at = page.updated_at
        title = clean(page.title)
        if title and title != self.title:
            text = in_words.title_changed(self.title, title)
            self.title = title
            self._observed(Kind.CHANGE, text, fact=in_words.title_fact(title), at=at)
        new = Service.objects.filter(pk=page.service.id).first() if page.service.id != self.service_id else None
        if new is not None:
            text = in_words.moved(self.service.name, new.name)
            self.service = new
            self._observed(Kind.CHANGE, text, fact=in_words.service_fact(new.id), at=at)
        if page.priority_id == self.priority_id or (page.priority is None and self.priority_refused):
            return
        priority = Priority.objects.filter(pk=page.priority_id).first()
        if (priority is None) == (page.priority is None):
            old, name = self.priority.name if self.priority else "", priority.name if priority else ""
            self.priority = priority
            text = in_words.changed_from("Priority", old, name)
            self._observed(Kind.CHANGE, text, fact=in_words.priority_fact(name), at=at)

    def _policy_changed(self, page: Page) -> None:
        is_other = self.policy_id != page.escalation_policy_id
        if is_other:
            self.policy = EscalationPolicy.objects.filter(pk=page.escalation_policy_id).first()
        if page.assigned_by_hand or self.policy is None:
            self.escalation_level = None
        elif is_other or self.assigned != [one.name for one in page.assigned]:
            level = self.policy.level_of(one.id for one in page.assigned)
            if page.status == Status.TRIGGERED or is_other:
                self.escalation_level = level
            elif page.status == Status.ACKNOWLEDGED:  # whoever has it was paged, or was not, as our own user
                self.escalation_level = max(filter(None, (level, self.escalation_level)), default=None)

    def _observed(self, kind: Kind, text: str, *, fact: str, at: datetime) -> None:
        """We see that something is so. Where the log has said it already, the log's own words do; and how it was when
        we looked for the first time is no change."""
        earliest = at - SLACK
        if not _has_its_time(fact):
            if self.read_at is None:
                return
            # It was after we last read something new, however long ago that is.
            earliest = min(at, self.read_at) - READ_AT_IS_OFF_BY
        if self._entries_on(fact).filter(log_entry_id__isnull=False, at__range=(earliest, at + SLACK)).exists():
            return
        self._note(text, source="pagerduty", kind=kind, at=at, facts=_joined([fact]))

    def logged(self, entries: Iterable[LogEntry], *, services: Mapping[str, str], clock_ahead: timedelta) -> bool:
        """Take over entries of PagerDuty's log, oldest first; whether any of them was new. `services`: names by id;
        `clock_ahead`: by how much PagerDuty's clock is ahead of the database's, by which people pressed.

        An entry that we made up ourselves, because the log had not told it yet, becomes the log's.
        """
        by_id = {one.id: one for one in entries}
        known = set(self.timeline.filter(log_entry_id__in=by_id).values_list("log_entry_id", flat=True))
        new = [self._with_who_pressed_it(one, clock_ahead) for id_, one in by_id.items() if id_ not in known]
        rows: list[TimelineEntry] = []
        tells_of_paging = False
        for entry in new:
            told = in_words.told(entry, services=services)
            tells_of_paging |= any(fact.startswith(in_words.PAGING) for fact in told.facts)
            row = self._take_over(entry, told)
            if row.pk is None:
                rows.append(row)
            else:
                row.save()
        TimelineEntry.objects.bulk_create(rows, batch_size=500)
        for entry in new:
            if entry.kind == "acknowledge":
                self._acknowledgement_logged(entry)
        if tells_of_paging:
            self._paging_logged()
        return bool(new)

    def _take_over(self, entry: LogEntry, told: in_words.Told) -> "TimelineEntry":
        if (note := self._written_here(entry)) is not None:
            note.source, note.log_entry_id, note.at = "pagerduty", entry.id, entry.at
            return note
        row = None
        for fact in told.facts:
            seen = self._seen_on(fact, entry.at).first()
            if row is not None and seen is not None:
                seen.delete()
            else:
                row = row or seen
        row = row or TimelineEntry(incident=self, source="pagerduty")
        row.log_entry_id, row.at, row.actor, row.kind = entry.id, entry.at, entry.actor, told.kind
        row.text, row.body, row.facts = clean(told.text), clean(told.body, lines=True), _joined(told.facts)
        return row

    def _written_here(self, entry: LogEntry) -> "TimelineEntry | None":
        """The note that somebody wrote here, of which the log tells as our user's. It may quote others."""
        text, signed, by = entry.text.rpartition(WRITTEN_HERE)
        if not signed or entry.kind != "annotate" or entry.actor_id != our_user_id():
            return None
        ours = self.timeline.filter(source="hub", kind=Kind.NOTE, log_entry_id__isnull=True)
        theirs = ours.filter(text=f"Note by {by.rpartition(THROUGH)[0]}")
        return theirs.filter(body=clean(text, lines=True)).order_by("id").first()

    def _seen_on(self, fact: str, at: datetime) -> "models.QuerySet[TimelineEntry]":
        """What we saw of that which the log tells of this time, oldest first."""
        seen = self._entries_on(fact).filter(log_entry_id__isnull=True, at__gte=at - SLACK)
        return seen.filter(at__lte=at + SLACK) if _has_its_time(fact) else seen

    def _entries_on(self, fact: str) -> "models.QuerySet[TimelineEntry]":
        """What says so already, oldest first."""
        return self.timeline.filter(source="pagerduty", facts__contains=_joined([fact])).order_by("at", "id")

    def _acknowledgement_logged(self, entry: LogEntry) -> None:
        """The first counts, though it may be told late; and who did it, when it was resolved before we saw it."""
        self.acknowledged_at = min(self.acknowledged_at or entry.at, entry.at)
        if self.status == Status.RESOLVED:
            self.acknowledged_by = self._last_to_acknowledge() or self.acknowledged_by
        self._save("acknowledged_at", "acknowledged_by")

    def _paging_logged(self) -> None:
        self.paging_ended = self._has_paging_ended()
        self._save("paging_ended")

    def paged_anew(self, *, since: datetime) -> None:
        """Somebody was, at or after `since`, by PagerDuty's clock: what the log told before does not hold any more."""
        self.paging_ended = self._has_paging_ended(since=since - SLACK)
        self._save("paging_ended")

    def _has_paging_ended(self, *, since: datetime | None = None) -> bool:
        """As the log says: there is nobody left to escalate to, and nobody was paged after that."""
        last = self.timeline.filter(facts__contains=f"\n{in_words.PAGING}").first()
        if last is None or (since is not None and last.at < since):
            return False
        return in_words.PAGING_ENDED in last.facts

    def _last_to_acknowledge(self) -> str:
        """As the log says: what is resolved, PagerDuty says nothing of who had it."""
        fact = _joined([in_words.status_fact(Status.ACKNOWLEDGED)])
        logged = self.timeline.filter(facts__contains=fact).exclude(actor="")
        return logged.values_list("actor", flat=True).first() or ""

    @property
    def acknowledged_once(self) -> bool:
        """Then whoever is named did it at the time that is kept, which is that of the first."""
        query = "SELECT count(*) FROM incidents_timelineentry WHERE incident_id = %s AND kind = %s AND facts LIKE %s"
        fact = _joined([in_words.status_fact(Status.ACKNOWLEDGED)])
        with connection.cursor() as cursor:
            cursor.execute(query, [self.id, Kind.STATUS.value, f"%{fact}%"])
            (times,) = cursor.fetchone()
        return bool(times < 2)

    def nobody_acknowledged(self, minutes: int) -> None:
        self.reminded_of = self.status_changed_at
        self._save("reminded_of")
        self._note(f"Nobody had acknowledged for {minutes} minutes", kind=Kind.STATUS)

    def not_there(self, *, asked_at: datetime) -> None:
        """PagerDuty was asked for it, and does not have it, or hides it from our key. That is said once."""
        if self.is_old_news(asked_at):
            return
        if self.is_open and not self._is_said_to_be_missing:
            facts = _joined([in_words.MISSING])
            self._note("PagerDuty does not show it any more", kind=Kind.STATUS, facts=facts)
        self.missing_at = asked_at
        self._save("missing_at")

    def shown_again(self) -> None:
        self.missing_at = None
        self._save("missing_at")
        if self._is_said_to_be_missing:
            self._note("PagerDuty shows it again", kind=Kind.STATUS, facts=_joined([in_words.SHOWN_AGAIN]))

    @property
    def _is_said_to_be_missing(self) -> bool:
        said = [_joined([fact]) for fact in (in_words.MISSING, in_words.SHOWN_AGAIN)]
        last = self.timeline.filter(facts__in=said).first()
        return last is not None and last.facts == said[0]

    def priority_was_refused(self, error: Exception) -> None:
        self.priority_refused = True
        self._save("priority_refused")
        self._note(f"Paged without priority {self.priority}", body=str(error), source="pagerduty")

    def channel_opened(self, channel: Channel) -> None:
        self.slack_channel_id, self.slack_channel_name = channel.id, channel.name
        self.slack_channel_url = channel.url
        self._save("slack_channel_id", "slack_channel_name", "slack_channel_url")
        self._note(f"Slack channel #{channel.name} opened", source="slack")

    def invited(self, invitees: Iterable["Invitee"]) -> None:
        """Keep what came of inviting each of them, but for those of whom somebody said something else meanwhile."""
        kept = [one for one in invitees if one.keep()]
        inside = [one.responder.name for one in kept if one.state == Responder.State.INVITED]
        if inside:
            self._note(f"Invited {listing(inside)} to the channel", source="slack")

    def summary_posted(self, message_id: str) -> None:
        self.summary_ts = message_id
        self._save("summary_ts")
        self._note("Summary posted in the channel", source="slack")

    def announced(self, channel: str) -> None:
        self._note(f"Announced in #{channel}", source="slack")

    def phones_looked_up(self, viewers: Iterable[str]) -> None:
        for viewer in sorted(viewers):
            self.phones_shown(viewer)

    def phones_shown(self, viewer: str) -> None:
        """Somebody looked at phone numbers. Once a person is enough."""
        text = f"{viewer} looked up phone numbers of people on call"
        if not self.timeline.filter(text=text).exists():
            self._note(text)

    def over(self, who: str, *, at: datetime) -> None:
        """PagerDuty does not have it, or does not show it: whoever was phoned instead, or is on it, says that it is
        over."""
        self.status, self.resolved_at, self.status_changed_at = Status.RESOLVED, at, at
        self._save("status", "resolved_at", "status_changed_at")
        self._note(f"Resolved by {who}", kind=Kind.STATUS)

    def done_by_hand(self, what: str, who: str) -> None:
        self._note(f"{who} did this by hand: {what}")

    # ── what people did from here ─────────────────────────────────────────────────────────────────

    @property
    def reporter(self) -> str:
        return self.reporter_name or self.reporter_email

    def asked(self, action: "Action") -> None:
        """Somebody pressed something; what came of it is told by PagerDuty, or by came_to_nothing()."""
        if action.kind == Action.Kind.ME_TOO:
            self._note(f"{action.who} sees it too", body=action.asked["saw"], kind=Kind.NOTE)
        elif action.kind == Action.Kind.NOTE:
            self._note(f"Note by {action.who}", body=action.asked["text"], kind=Kind.NOTE)
        elif action.kind == Action.Kind.MEMBER:
            self._note(
                f"{action.who} said who {action.asked['name']} is in Slack: {action.asked['is']}", kind=Kind.PEOPLE
            )
        elif action.kind != Action.Kind.COMMAND:
            self._note(f"{action.who} pressed {action.title}")

    def command_taken(self, name: str, email: str, *, by: str) -> None:
        before, self.commander_name, self.incident_commander_email = self.commander or "nobody", name, email
        self._save("commander_name", "incident_commander_email")
        if by == name:
            self._note(f"{name} took command", body=f"Before: {before}", kind=Kind.PEOPLE)
        else:
            self._note(f"{by} changed the commander from {before} to {name}", kind=Kind.PEOPLE)

    def came_to_nothing(self, action: "Action") -> None:
        self._note(f"{action.title} by {action.who} changed nothing", body=action.detail)

    def edited(self, field: str, *, before: str, after: str, by: str) -> None:
        """The caller has changed what is ours, and saves it. Writing what was there is no change."""
        if before.strip() != after.strip():
            text = f"{by} changed the {field} from {before.strip() or 'none'} to {after.strip() or 'none'}"
            self._note(text, kind=Kind.CHANGE)

    def _with_who_pressed_it(self, entry: LogEntry, clock_ahead: timedelta) -> LogEntry:
        """What was pressed here is our From user's in PagerDuty's log, too."""
        kind = {"acknowledge": Action.Kind.ACKNOWLEDGE, "resolve": Action.Kind.RESOLVE}.get(entry.kind)
        if kind is None or entry.actor_id != our_user_id():
            return entry
        action = self._done_here(kind, entry.at - clock_ahead)
        return entry if action is None else replace(entry, actor=action.who)

    def _done_here(self, kind: "Action.Kind", at: datetime) -> "Action | None":
        """What did it at that time. It may be told before what did it is known to be done: what was known to be done
        about then comes first."""
        pressed = self.actions.filter(kind=kind, pressed_at__lte=at + SLACK).order_by("id")
        done = [(one.step.finished_at or one.pressed_at, one) for one in pressed if one.outcome == Action.Outcome.DONE]
        since = [(abs(finished_at - at), one.pk, one) for finished_at, one in done if finished_at >= at - SLACK]
        if since:
            return min(since)[2]
        return next((one for one in pressed if one.outcome == Action.Outcome.OPEN and one.is_under_way), None)

    def _with_who_pressed(self, page: Page) -> Page:
        """What is acknowledged from here is our From user's in PagerDuty: who pressed is known to us alone."""
        if page.status != Status.ACKNOWLEDGED:
            return page
        pressed = dict(self.actions.exclude(done_as="").order_by("id").values_list("done_as", "who"))
        if not pressed:
            return page
        return replace(
            page,
            assigned=tuple(Reference(one.id, pressed.get(one.id, one.name)) for one in page.assigned),
            acknowledged_by=tuple(Reference(one.id, pressed.get(one.id, one.name)) for one in page.acknowledged_by),
        )

    def _note(
        self,
        text: str,
        *,
        body: str = "",
        source: str = "hub",
        kind: Kind = Kind.STEP,
        at: datetime | None = None,
        facts: str = "",
    ) -> None:
        about = {"text": text, "body": body, "source": source, "kind": kind, "facts": facts}
        insert([TimelineEntry(incident=self, **about, **({} if at is None else {"at": at}))])

    def _save(self, *fields: str) -> None:
        update(self, *fields, "updated_at")


class Responder(models.Model):
    """Somebody who should be in the channel, and whether they are."""

    class State(models.TextChoices):
        EXPECTED = "expected"
        INVITED = "invited"
        NOT_FOUND = "not found"
        REFUSED = "refused"

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="responders")
    name = models.TextField()
    email = models.TextField()
    why = models.TextField()  # on call, reporter, paged
    member_id = models.TextField(blank=True)
    state = models.TextField(choices=State, default=State.EXPECTED)
    detail = models.TextField(blank=True)  # Slack's word when it refused
    told = models.BooleanField(default=False)  # named in the channel as missing

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["incident", "email"], name="one_responder_per_email")]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def is_missing(self) -> bool:
        return self.state in (Responder.State.NOT_FOUND, Responder.State.REFUSED)

    def is_member(self, member_id: str) -> None:
        """Somebody said who they are in Slack; they are to be invited as that."""
        self.member_id, self.state, self.detail = member_id, Responder.State.EXPECTED, ""
        self.save(update_fields=["member_id", "state", "detail"])


@dataclass
class Invitee:
    """A responder as they were when a step began, which need not be in the database yet, and what came of it."""

    responder: Responder
    member_id: str  # empty where nobody knows it
    state: Responder.State = Responder.State.NOT_FOUND
    detail: str = ""
    told: bool = False

    def keep(self) -> bool:
        """Write it down; False where the row has changed since, by what a person said or by another step."""
        was, new = self.responder, {"member_id": self.member_id, "state": self.state, "detail": self.detail}
        if was.pk is None:
            about = {"name": was.name, "why": was.why, "told": self.told, **new}
            return Responder.objects.get_or_create(incident=was.incident, email=was.email, defaults=about)[1]
        as_it_was = Responder.objects.filter(pk=was.pk, member_id=was.member_id, state=was.state)
        return as_it_was.update(told=was.told or self.told, **new) > 0


class TimelineEntry(models.Model):
    """One thing that happened, in past tense."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="timeline")
    at = models.DateTimeField(db_default=Now())
    source = models.TextField()  # report, pagerduty, slack, hub
    text = models.TextField()
    body = models.TextField(blank=True)
    kind = models.TextField(choices=Kind, default=Kind.STEP, db_default=Kind.STEP)
    log_entry_id = models.TextField(null=True, unique=True)  # PagerDuty's, so that it is taken over once
    actor = models.TextField(blank=True, default="", db_default="")  # a person's name, as PagerDuty has it
    facts = models.TextField(blank=True, default="", db_default="")  # what it says is so, a line each

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["incident", "-at", "-id"], name="timeline_newest_first"),
            models.Index(fields=["incident", "kind", "-at", "-id"], name="timeline_by_kind"),
        ]

    def __str__(self) -> str:
        return self.text


class ReadUpTo(models.Model):
    """How far something has been read, by PagerDuty's clock."""

    name = models.TextField(primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.at}"


def _has_its_time(fact: str) -> bool:
    """Of a change of status PagerDuty says when it was; of others only that it was before it was asked."""
    return fact.startswith(in_words.STATUS)


def _joined(facts: Iterable[str]) -> str:
    """A line each, so that one can be found among others."""
    lines = [fact.replace("\n", " ") for fact in facts]
    return "\n" + "\n".join(lines) + "\n" if lines else ""


def names(references: Iterable[Reference]) -> str:
    return listing([one.name for one in references])
