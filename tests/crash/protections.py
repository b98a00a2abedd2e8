"""Each protection of a response: where it is in the code, the code without it, and the test that fails then.

`tests/crash/taken_out.py` takes them out one by one. docs/reliability.md lists them in the same order.
"""

import ast
from dataclasses import dataclass

from tests.processes import ROOT

RUNNER = "incident_central/jobs/runner.py"
OUTSIDE = "incident_central/outside.py"
OWNERSHIP = "incident_central/jobs/ownership.py"
WORKFLOW = "incident_central/jobs/workflow.py"
RESPONSE = "incident_central/incidents/response.py"
STEPS = "incident_central/incidents/steps.py"
REPORTING = "incident_central/incidents/reporting.py"
MODELS = "incident_central/incidents/models.py"
DATABASE = "incident_central/database.py"
SERVE = "incident_central/serve.py"
BASE = "incident_central/integrations/base.py"
PAGERDUTY = "incident_central/integrations/pagerduty/client.py"
CALLS = "incident_central/integrations/pagerduty/calls.py"
SLACK = "incident_central/integrations/slack/client.py"
SLACK_CALLS = "incident_central/integrations/slack/calls.py"
HTTP = "incident_central/integrations/http.py"
STANDBY = "incident_central/incidents/standby.py"
DRILL = "incident_central/drill/drilling.py"
PLANNING = "incident_central/drill/planning.py"
DOCTOR = "incident_central/doctor/"
JOURNAL = "incident_central/incidents/journal.py"
OUTAGE = "incident_central/outage.py"
REPORT_PAGE = "incident_central/web/report.py"
SYNC = "incident_central/incidents/sync.py"
STALE = "incident_central/incidents/stale.py"
SIGNATURE = "incident_central/integrations/pagerduty/webhooks.py"
WITHOUT_DATABASE = "incident_central/web/without_database.py"
INCIDENT_TABLES = "incident_central/incidents/migrations/0001_initial.py"

KILLS = "tests/crash/test_kills.py::test_killed_at_any_moment_nothing_is_lost_and_nothing_is_done_twice[sqlite-0]"
LATE_LOG = "tests/test_sync.py::test_a_log_that_tells_late_leaves_nothing_out_and_nothing_twice[sqlite]"
LOST = "tests/test_trouble.py::test_an_answer_that_is_lost_after_the_work_was_done_doubles_nothing"
IN_DOUBT = "tests/crash/test_faults.py::test_every_second_write_is_in_doubt"
FAULTS = "tests/crash/test_faults.py::"
TROUBLE = "tests/test_trouble.py::"
REPLICAS = "tests/crash/test_replicas.py::"
FROZEN = f"{REPLICAS}test_one_is_killed_and_one_is_frozen_and_every_report_is_answered_once[postgresql]"
FOR_MOMENTS = (
    f"{REPLICAS}test_who_was_taken_over_while_it_was_frozen_for_moments_sends_and_writes_nothing_more[postgresql]"
)
GONE = "tests/crash/test_database_gone.py::"
JOURNAL_CRASH = "tests/crash/test_journal.py::"
RESOURCES = "tests/crash/test_resources.py::"
UPGRADE = "tests/crash/test_upgrade.py::test_what_one_version_began_the_next_ones_finish[sqlite]"
WORKERS = "tests/crash/test_worker.py::test_the_web_answers_and_whichever_worker_lives_pages[postgresql]"

# Guarded twice, since it asks two things.
ASKED_AGAIN = "        _ask_all()\n"


@dataclass(frozen=True)
class Protection:
    """`text` stands exactly once in `file`. With `instead` in its place, `test` fails."""

    name: str
    file: str
    text: str
    instead: str
    test: str
    options: tuple[str, ...] = ()


PROTECTIONS = (
    # ── a report is accepted, once ────────────────────────────────────────────────────────────────
    Protection(
        "incident, job and first steps are one transaction",
        REPORTING,
        "    runner.begin(RESPONSE, incident.id, incident, begun_at=begun_at, may_start=may_start)\n",
        "    from django.db import connection\n"
        "    connection.on_commit(lambda: runner.begin(RESPONSE, incident.id, incident, begun_at=begun_at))\n",
        KILLS,
        ("--at", "recorded report"),
    ),
    Protection(
        "one incident for each sender and report id",
        INCIDENT_TABLES,
        "fields=('sender', 'report_id')",
        "fields=('sender', 'report_id', 'id')",
        "tests/test_reporting.py::test_a_form_sent_five_times_at_once_is_one_incident[sqlite]",
    ),
    Protection(
        "only a job that is there already is passed over",
        RUNNER,
        "ON CONFLICT (workflow, key) DO NOTHING",
        "ON CONFLICT DO NOTHING",
        "tests/test_journal.py::"
        "test_numbers_that_are_handed_out_twice_leave_no_report_without_its_page[jobs_job-1-postgresql]",
    ),
    Protection(
        "a directory that changed while it was copied is copied again",
        "incident_central/incidents/directory.py",
        "(since, snapshot) if since == version else _read(since)",
        "version, snapshot",
        "tests/test_journal.py::test_a_directory_that_changes_while_it_is_copied_is_copied_whole[postgresql]",
    ),
    Protection(
        "a database that refuses every draft is taken for gone",
        REPORTING,
        'raise OperationalError("eight drafts in a row were refused")',
        'raise RuntimeError("eight drafts in a row were refused")',
        "tests/test_journal.py::"
        "test_numbers_that_are_handed_out_twice_leave_no_report_without_its_page[jobs_step-10-postgresql]",
    ),
    Protection(
        "what was accepted is on the disk, though PostgreSQL is set up to answer sooner",
        DATABASE,
        "current_setting('synchronous_commit') = 'off'",
        "false",
        f"{GONE}test_what_was_accepted_is_on_the_disk_of_a_postgresql_that_does_not_wait_for_it",
    ),
    # ── what was done is not done again ───────────────────────────────────────────────────────────
    Protection(
        "a step found running is in doubt",
        RUNNER,
        "row.doubtful_since = at - timedelta(seconds=dead_for) if row.state in UNDER_WAY else since",
        "",
        KILLS,
        ("--at", "left chat.postMessage"),
    ),
    Protection(
        "what is in doubt stays so, though it was not found and the next try was refused",
        RUNNER,
        "at if error.doubtful or row.doubtful_since else None",
        "at if error.doubtful else None",
        f"{FAULTS}test_what_may_have_got_through_is_looked_for_though_it_was_not_found_before[sqlite]",
    ),
    Protection(
        "the half minute for which a page in doubt is looked for does not go on while nobody looks",
        RUNNER,
        "since = row.doubtful_since and min(at, row.doubtful_since + (at - (row.run_at or at)))",
        "since = row.doubtful_since",
        f"{FAULTS}test_the_time_in_which_nobody_looked_for_a_page_does_not_count[sqlite]",
    ),
    Protection(
        "where it may not be looked for, a page in doubt leaves after half a minute",
        RUNNER,
        "error.retry_after = min(error.retry_after or 0.0, (at_most - doubted_for).total_seconds())",
        "pass",
        f"{FAULTS}test_where_it_may_not_be_looked_for_a_page_leaves_after_half_a_minute[sqlite]",
    ),
    Protection(
        "a step in doubt is looked up before it is done again",
        RUNNER,
        "record := self._look(attempt, row)",
        "record := None",
        f"{LOST}[sqlite-summary]",
    ),
    Protection(
        "the outcome and what it means are one transaction",
        RUNNER,
        """            record()
            following = _advance(job, self._workflows[job.workflow], attempt.subject, fetch_all(StepRow, "job", job))
""",
        """
            following = _advance(job, self._workflows[job.workflow], attempt.subject, fetch_all(StepRow, "job", job))
        with transaction():
            record()
""",
        KILLS,
        ("--at", "recorded conversations.create"),
    ),
    Protection(
        "a call may be on its way when its sender is dead",
        STEPS,
        "ON_ITS_WAY = timedelta(seconds=2)",
        "ON_ITS_WAY = timedelta(0)",
        f"{FAULTS}test_a_call_that_arrives_after_its_sender_died_is_waited_for[sqlite]",
    ),
    Protection(
        "a name that is taken meanwhile may be taken by us",
        RESPONSE,
        "meanwhile=open_under_own_name",
        "meanwhile=open_channel",
        f"{FAULTS}test_a_name_that_an_earlier_call_takes_just_after_the_look_is_ours[sqlite]",
    ),
    Protection(
        "PagerDuty is asked for our key before a page is repeated",
        RESPONSE,
        "    look_for_page,\n    lane",
        "    None,\n    lane",
        f"{TROUBLE}test_a_page_resolved_by_hand_before_we_heard_of_it_is_not_sent_again[sqlite]",
    ),
    Protection(
        "the page is looked for in every state",
        PAGERDUTY,
        'date_range="all", sort_by="created',
        'date_range="all", statuses=["triggered", "acknowledged"], sort_by="created',
        f"{TROUBLE}test_a_page_resolved_by_hand_before_we_heard_of_it_is_not_sent_again[sqlite]",
    ),
    Protection(
        "a page from before the report is not ours",
        PAGERDUTY,
        " if page.created_at >= since - CLOCKS_DIFFER]",
        "]",
        f"{FAULTS}test_a_page_of_our_key_from_before_the_report_is_not_taken_for_ours[sqlite]",
    ),
    Protection(
        "a page refused as a duplicate is looked for",
        CALLS,
        "    if DUPLICATE in detail:\n",
        "    if not detail and DUPLICATE in detail:\n",
        f"{FAULTS}test_pages_that_are_not_listed_for_ten_seconds_are_refused_and_found[sqlite]",
    ),
    Protection(
        "our channel is looked for before another is opened",
        RESPONSE,
        ", look=look_for_channel)",
        ")",
        f"{LOST}[sqlite-open_channel]",
    ),
    Protection(
        "a channel is ours only if we made it",
        SLACK,
        ' and row.get("creator") == bot_user]',
        "]",
        f"{FAULTS}test_somebody_elses_channel_is_not_taken_for_ours[sqlite]",
    ),
    Protection(
        "and only if no other incident has it",
        RESPONSE,
        "        if not Incident.objects.filter(slack_channel_id=channel.id).exclude(pk=incident.pk).exists():\n",
        "        if channel:\n",
        f"{FAULTS}test_a_channel_that_another_incident_has_by_now_is_not_taken_for_ours[sqlite]",
    ),
    Protection(
        "the summary is looked for before it is posted again",
        RESPONSE,
        ", look=look_for_summary)",
        ")",
        f"{LOST}[sqlite-summary]",
    ),
    Protection(
        "the announcement is looked for before it is posted again",
        RESPONSE,
        "look=look_for_announcement, ",
        "",
        f"{IN_DOUBT}[sqlite-answer-lost]",
    ),
    Protection(
        "who is missing is looked for before it is posted again",
        STEPS,
        "    if chat().find_message(channel_of(incident), message.marker, since=incident.created_at) is None:\n",
        "    if True:\n",
        f"{FAULTS}test_who_is_missing_is_named_once_though_the_answer_was_lost[sqlite]",
    ),
    Protection(
        "a message is found by its own marker",
        SLACK,
        ' and metadata.get("event_payload", {}).get("marker") == marker:',
        ":",
        f"{IN_DOUBT}[sqlite-reset]",
    ),
    Protection(
        "the incident's bookmark is looked for before it is added again",
        RESPONSE,
        ", look=look_for_incident_bookmark)",
        ")",
        f"{LOST}[sqlite-bookmark_incident]",
    ),
    Protection(
        "the page's bookmark is looked for before it is added again",
        RESPONSE,
        ", look=look_for_page_bookmark)",
        ")",
        f"{IN_DOUBT}[sqlite-answer-lost]",
    ),
    Protection(
        "the note is looked for before it is written again",
        RESPONSE,
        ', look=look_for_note, lane="pagerduty")',
        ', lane="pagerduty")',
        f"{LOST}[sqlite-note]",
    ),
    Protection(
        "PagerDuty's broken connection means doubt",
        HTTP,
        'broke before it answered.", code="broken", doubtful=writes)',
        'broke before it answered.", code="broken")',
        f"{LOST}[sqlite-note]",
    ),
    Protection(
        "PagerDuty's silence means doubt",
        HTTP,
        'did not answer in time.", code="timeout", doubtful=writes)',
        'did not answer in time.", code="timeout")',
        f"{IN_DOUBT}[sqlite-answer-lost-hang]",
    ),
    Protection(
        "PagerDuty's 5xx means doubt",
        CALLS,
        "return IntegrationError(said, code=code, doubtful=writes)",
        "return IntegrationError(said, code=code)",
        f"{IN_DOUBT}[sqlite-gateway-timeout]",
    ),
    Protection(
        "Slack's broken connection means doubt",
        HTTP,
        'broke before it answered.", code="broken", doubtful=writes)',
        'broke before it answered.", code="broken")',
        f"{LOST}[sqlite-summary]",
    ),
    Protection(
        "Slack's silence means doubt",
        HTTP,
        'did not answer in time.", code="timeout", doubtful=writes)',
        'did not answer in time.", code="timeout")',
        f"{IN_DOUBT}[sqlite-answer-lost-hang]",
    ),
    Protection(
        "Slack's 5xx means doubt",
        SLACK_CALLS,
        "code=word or str(response.status_code), doubtful=writes)",
        "code=word or str(response.status_code))",
        f"{IN_DOUBT}[sqlite-gateway-timeout]",
    ),
    Protection(
        "an answer that drips is given up",
        HTTP,
        "return min(timeout, max(_answered_by.get() - time.monotonic(), 0.001))",
        "return timeout",
        f"{TROUBLE}test_answers_that_drip_are_given_up_and_what_was_done_is_found[sqlite]",
    ),
    Protection(
        "PagerDuty's client makes one attempt",
        CALLS,
        "    max_network_attempts = 0\n",
        "",
        f"{LOST}[sqlite-note]",
    ),
    Protection(
        "Slack's client makes one attempt",
        SLACK_CALLS,
        "        answer = self._kept.request(req.get_method(), url, content=body, headers=req.headers)\n",
        """        try:
            answer = self._kept.request(req.get_method(), url, content=body, headers=req.headers)
        except httpx2.TransportError:
            answer = self._kept.request(req.get_method(), url, content=body, headers=req.headers)
""",
        f"{LOST}[sqlite-summary]",
    ),
    Protection(
        "an old answer does not undo what was read since",
        MODELS,
        "        if self.is_old_news(asked_at):\n            return\n        page = ",
        "        page = ",
        f"{FAULTS}test_an_answer_that_comes_late_does_not_undo_what_was_read_meanwhile[sqlite]",
    ),
    # ── what was not done is done ─────────────────────────────────────────────────────────────────
    Protection(
        "while look-ups fail the page goes out again",
        RESPONSE,
        "    look_at_most=LOOK_AT_MOST,\n",
        "",
        f"{FAULTS}test_while_look_ups_fail_it_pages_again_after_half_a_minute_and_not_before[sqlite]",
    ),
    Protection(
        "but not before half a minute",
        RESPONSE,
        "LOOK_AT_MOST = timedelta(seconds=30)",
        "LOOK_AT_MOST = timedelta(0)",
        f"{FAULTS}test_while_look_ups_fail_it_pages_again_after_half_a_minute_and_not_before[sqlite]",
    ),
    Protection(
        "what waits is due when the clock was set back",
        RUNNER,
        "                self._rows.filter(state=State.WAITING, run_at__gt=at).update(run_at=at)\n",
        "",
        f"{FAULTS}test_a_clock_that_is_set_back_puts_nothing_to_sleep[postgresql]",
    ),
    Protection(
        "what is under way is not left to a dead owner when the clock was set back",
        RUNNER,
        "                self._rows.filter(lease_until__gt=at + LEASE).update(lease_until=at + LEASE)\n",
        "",
        f"{FAULTS}test_a_clock_that_is_set_back_puts_nothing_to_sleep[postgresql]",
    ),
    Protection(
        "nor when it was while nothing ran",
        RUNNER,
        """self._last_at or self._rows.filter(state=State.WAITING).aggregate(last=Max("finished_at"))["last"]""",
        "self._last_at",
        f"{FAULTS}test_a_clock_that_is_set_back_while_it_is_down_puts_nothing_to_sleep[postgresql]",
    ),
    Protection(
        "an answer that was asked for in the future undoes nothing, either",
        MODELS,
        "asked_at < answered <= now()",
        "asked_at < answered",
        f"{FAULTS}test_a_clock_that_is_set_back_puts_nothing_to_sleep[postgresql]",
    ),
    Protection(
        "of one report in two wordings each service is paged",
        STANDBY,
        "    return is_other and not is_sent and not kept.is_too_old\n",
        "    return False\n",
        f"{JOURNAL_CRASH}test_written_anew_and_sent_to_another_replica_while_neither_reaches_the_database_"
        "both_wordings_are_there[another-later-postgresql]",
    ),
    Protection(
        "of two choices the later one counts",
        "incident_central/incidents/meant.py",
        """    if _is_overruled(action):
        return "Another choice was made after this one."
""",
        "",
        "tests/test_acting.py::test_of_two_choices_that_waited_the_later_one_counts[sqlite-reassign]",
    ),
    Protection(
        "for the page no refusal is final",
        RESPONSE,
        "    never_give_up=True,\n    ask_after",
        "    ask_after",
        f"{TROUBLE}test_a_service_that_refuses_the_page_is_tried_again_and_the_channel_opens[sqlite]",
    ),
    Protection(
        "a priority that is refused is left out",
        RESPONSE,
        "    amend=page_failed,\n",
        "",
        f"{TROUBLE}test_a_refused_priority_is_left_out_and_the_page_goes_out[sqlite]",
    ),
    Protection(
        "a web page in Slack's place is not Slack's refusal",
        SLACK_CALLS,
        "    if not word.isidentifier():",
        "    if not word:",
        f"{FAULTS}test_one_call_in_ten_fails_in_one_way_or_another[sqlite]",
    ),
    Protection(
        "a web page in PagerDuty's place is not PagerDuty's refusal",
        CALLS,
        "    if not _is_pagerdutys(response, answer):\n",
        "    if False:\n",
        f"{TROUBLE}test_a_proxy_that_answers_in_pagerdutys_place_for_a_moment_ends_no_tries[sqlite-403]",
    ),
    Protection(
        "after four hours a person is asked first",
        RUNNER,
        "            elif row.ask_at is not None and row.ask_at < at:\n"
        "                self._settle(attempt, State.FAILED, error=ASK)\n",
        "",
        f"{FAULTS}test_a_page_unsent_for_four_hours_asks_a_person_first[sqlite]",
    ),
    Protection(
        "what was done by hand is looked for once more",
        RUNNER,
        "if record := self._look(attempt, row):",
        "if not row.by_hand and (record := self._look(attempt, row)):",
        f"{TROUBLE}test_phoned_by_hand_after_a_lost_answer_still_finds_the_page_that_got_through[sqlite]",
    ),
    Protection(
        "what was done by hand while it waited for a thread is not done",
        RUNNER,
        "attempt.row if clock() < attempt.claimed_at + FRESH else _ours(attempt)",
        "attempt.row",
        f"{FAULTS}test_who_was_phoned_while_every_thread_was_taken_is_not_paged[sqlite]",
    ),
    Protection(
        "Retry-After is written down",
        OUTSIDE,
        "(self.retry_after or 0) + random.random())",
        "0)",
        f"{FAULTS}test_what_it_was_told_to_wait_for_is_remembered_over_a_restart[sqlite-open_channel]",
    ),
    Protection(
        "so is that which came while it was looked for",
        RUNNER,
        "error.retry_after = min(error.retry_after or 0.0, (at_most - doubted_for).total_seconds())",
        "error.retry_after = None",
        f"{FAULTS}test_told_to_wait_while_it_looks_for_a_page_it_does_not_look_sooner_after_a_restart[sqlite]",
    ),
    Protection(
        "what was told to wait is not run out of its turn",
        STALE,
        "    return OWN_TURN | Q(state=State.WAITING, owner=here.ownership.owner)\n",
        "    return Q(state=State.WAITING)\n",
        f"{FAULTS}test_told_to_wait_before_it_reads_an_incident_it_does_so_whatever_it_hears_after_a_restart[sqlite]",
    ),
    Protection(
        "what was told to wait is not tried in vain meanwhile, so that a kill finds when in its row",
        STALE,
        "(here := runner.here) is None or pager().is_told_to_wait():\n",
        "(here := runner.here) is None:\n",
        f"{FAULTS}test_told_to_wait_before_it_reads_an_incident_it_does_so_whatever_it_hears_after_a_restart[sqlite]",
    ),
    Protection(
        "nor when the poll was told so, as it read one incident beside the list",
        SYNC,
        "unread and not stale.is_put_off() and",
        "unread and",
        f"{FAULTS}test_told_to_wait_by_a_poll_that_read_one_incident_nobody_reads_it_sooner_after_a_restart[sqlite]",
    ),
    Protection(
        "what was left to the journal while it was committed is not paged from the database as well",
        REPORTING,
        "        if (incident.sender, incident.report_id) in _left_to_journal:\n            return False\n",
        "",
        f"{JOURNAL_CRASH}test_what_is_committed_when_it_was_just_left_to_the_journal_is_sent_once[sqlite]",
    ),
    Protection(
        "Retry-After holds back all calls of its kind",
        BASE,
        "(left := until - time.monotonic()) > 0:",
        "(left := until - time.monotonic()) > LONGEST_WAIT:",
        f"{TROUBLE}test_no_call_leaves_before_its_retry_after[sqlite-open_channel-429]",
    ),
    Protection(
        "whatever the status that comes with it, from PagerDuty",
        CALLS,
        "            failure.retry_after = _retry_after(error.response)\n",
        "            if error.response.status_code == 429:\n"
        "                failure.retry_after = _retry_after(error.response)\n",
        f"{TROUBLE}test_no_call_leaves_before_its_retry_after[sqlite-page-503]",
    ),
    Protection(
        "and from Slack",
        SLACK_CALLS,
        "            failure.retry_after = ",
        "            failure.retry_after = None if error.response.status_code == 503 else ",
        f"{TROUBLE}test_no_call_leaves_before_its_retry_after[sqlite-open_channel-503]",
    ),
    Protection(
        "also those that are still connecting",
        HTTP,
        ASKED_AGAIN,
        "        pass\n",
        f"{FAULTS}test_what_is_still_connecting_when_slack_limits_us_does_not_leave_before_its_retry_after[sqlite]",
    ),
    Protection(
        "PagerDuty's client does not wait by itself",
        CALLS,
        "        self.retry = {429: 1}",
        "        self.retry = {}",
        f"{FAULTS}test_what_it_was_told_to_wait_for_is_remembered_over_a_restart[sqlite-page]",
    ),
    Protection(
        "the page has threads of its own",
        RESPONSE,
        '    lane="page",\n',
        '    lane="slack",\n',
        f"{FAULTS}test_slack_hangs_under_twenty_reports_and_every_page_leaves_at_once[sqlite-conversations.create]",
    ),
    Protection(
        "a call that hangs holds no connection to the database",
        RUNNER,
        "doubtful=attempt.doubtful)\n    release_connection()\n",
        "doubtful=attempt.doubtful)\n",
        f"{FAULTS}test_slack_hangs_under_twenty_reports_and_every_page_leaves_at_once[postgresql-chat.postMessage]",
    ),
    Protection(
        "two steps that end at the same time see each other",
        RUNNER,
        "fetch(Job, attempt.row.job_id, held=True)",
        "fetch(Job, attempt.row.job_id)",
        f"{REPLICAS}test_steps_that_end_at_the_same_time_start_what_waited_for_both[postgresql]",
    ),
    Protection(
        "a step that is just being started is not taken from it",
        "incident_central/jobs/models.py",
        "    fetch(Job, fetch(StepRow, step_id).job_id, held=True)\n",
        "",
        f"{REPLICAS}test_done_by_hand_in_the_moment_in_which_it_starts_it_is_done_once_and_known[postgresql]",
    ),
    # ── whose work it is ──────────────────────────────────────────────────────────────────────────
    Protection(
        "one process a folder",
        OWNERSHIP,
        "        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        "tests/test_serve.py::test_a_second_process_on_the_same_folder_is_refused",
    ),
    Protection(
        "SQLite: what a predecessor left is taken back at once",
        OWNERSHIP,
        "return {owner: time.monotonic() - self._alone_since for owner in owners if owner != self.owner}",
        "return {}",
        "tests/test_kills.py::test_killed_before_it_was_answered_and_sent_again_it_is_one_incident[sqlite]",
    ),
    Protection(
        "PostgreSQL: a free lock is taken over at once",
        OWNERSHIP,
        "return {owner: seconds for owner, seconds in free_for.items() if seconds >= BELIEVED_AFTER}",
        "return {}",
        WORKERS,
    ),
    Protection(
        "but only after it was free for a while",
        OWNERSHIP,
        "BELIEVED_AFTER = 0.6",
        "BELIEVED_AFTER = 0.0",
        f"{REPLICAS}test_a_lock_that_is_free_for_a_moment_makes_nobody_look_dead[postgresql]",
    ),
    Protection(
        "a session of ours that was cut off is ended",
        DATABASE,
        "[former, number >> 32, number % 2**32]",
        "[[], number >> 32, number % 2**32]",
        f"{GONE}test_who_was_cut_off_from_its_database_is_not_locked_out_by_itself[postgresql]",
    ),
    Protection(
        "behind a pooler locks say nothing",
        OWNERSHIP,
        "fetchone() == (session.info.backend_pid,)",
        "fetchone() is not None",
        f"{REPLICAS}test_behind_a_transaction_pooler_the_lease_alone_decides[postgresql]",
    ),
    Protection(
        "a lease that ran out is taken over",
        RUNNER,
        "Q(owner__in=dead) | Q(lease_until__lt=Now()) | lost_by_us",
        "Q(owner__in=dead) | lost_by_us",
        f"{REPLICAS}test_behind_a_transaction_pooler_the_lease_alone_decides[postgresql]",
    ),
    Protection(
        "an outcome that could not be written is found out again soon",
        RUNNER,
        "Q(owner__in=dead) | Q(lease_until__lt=Now()) | lost_by_us",
        "Q(owner__in=dead) | Q(lease_until__lt=Now())",
        f"{GONE}test_sqlite_locked_by_another_program_for_a_while[sqlite]",
    ),
    Protection(
        "what runs here is not taken for lost",
        RUNNER,
        " & abandoned & ~Q(pk__in=mine))",
        " & abandoned)",
        f"{FAULTS}test_a_step_may_take_longer_than_a_process_may_be_frozen[sqlite]",
    ),
    Protection(
        "leases are renewed while a step runs",
        RUNNER,
        "                    self._renew_leases()\n",
        "                    pass\n",
        f"{FAULTS}test_a_step_may_take_longer_than_a_process_may_be_frozen[sqlite]",
    ),
    Protection(
        "the fence: who was taken over writes nothing",
        RUNNER,
        "row.fence != attempt.row.fence or ",
        "",
        FOR_MOMENTS,
    ),
    Protection(
        "the deadline: who was frozen sends nothing",
        RUNNER,
        "clock() > attempt.deadline or ",
        "",
        FROZEN,
    ),
    Protection(
        "who was taken over sends nothing",
        RUNNER,
        "began + SENDABLE if (attempt.row.pk, attempt.row.fence) in held else 0.0",
        "began + SENDABLE",
        FOR_MOMENTS,
    ),
    Protection(
        "who cannot show that it lives sends nothing",
        RUNNER,
        "return self.ownership.session == self._session != 0",
        "return self.ownership.session == self._session",
        f"{GONE}test_who_cannot_show_that_it_lives_sends_nothing",
    ),
    Protection(
        "what was begun before is not sent by who cannot show that it lives",
        RUNNER,
        "clock() > attempt.deadline or (runner is not None and not runner.may_send)",
        "clock() > attempt.deadline",
        f"{GONE}test_what_was_begun_before_is_not_sent_by_who_cannot_show_that_it_lives",
    ),
    Protection(
        "nor is what was still connecting",
        HTTP,
        ASKED_AGAIN,
        "        pass\n",
        f"{GONE}test_what_was_still_connecting_is_not_sent_by_who_cannot_show_that_it_lives",
    ),
    Protection(
        "who is frozen in a transaction lets go of its locks",
        DATABASE,
        "cursor.execute(AT_BEGIN)",
        "cursor.execute('SELECT clock_timestamp()')",
        FROZEN,
    ),
    Protection(
        "nothing is claimed that could not be sent",
        RUNNER,
        "if not (self.may_send and self._due()[0].exists()):",
        "if not self._due()[0].exists():",
        f"{GONE}test_who_cannot_show_that_it_lives_sends_nothing",
    ),
    Protection(
        "nothing is begun that could not be sent",
        RUNNER,
        "here if here and here.may_send else None",
        "here",
        f"{GONE}test_who_cannot_show_that_it_lives_sends_nothing",
    ),
    Protection(
        "leases are on the database's clock",
        RUNNER,
        "runner.ownership.owner, at + LEASE, None)",
        'runner.ownership.owner, __import__("django.utils.timezone").utils.timezone.now() + LEASE, None)',
        FROZEN,
    ),
    Protection(
        "news is ordered by the database's clock",
        DATABASE,
        "        return row[0]\n",
        "        return timezone.now()\n",
        FROZEN,
    ),
    # ── our own house ─────────────────────────────────────────────────────────────────────────────
    Protection(
        "readiness is told by a write that reaches the disk",
        DATABASE,
        "UPDATE django_migrations SET applied = CURRENT_TIMESTAMP WHERE",
        "SELECT name FROM django_migrations WHERE",
        f"{GONE}test_sqlite_on_a_disk_that_is_full_for_a_while[sqlite]",
    ),
    Protection(
        "threads are started at the start",
        RUNNER,
        "            self._lanes[attempt.step.lane].put(attempt)\n",
        "            threading.Thread(target=self._try, args=[attempt], daemon=True).start()\n",
        f"{RESOURCES}test_no_thread_can_be_started_any_more[sqlite]",
    ),
    Protection(
        "a process that has lost a thread ends",
        SERVE,
        "    threading.excepthook = _end_instead_of_limping\n",
        "",
        f"{RESOURCES}test_a_thread_that_dies_takes_the_process_with_it[sqlite]",
    ),
    Protection(
        "out of files, it waits before it looks again who connects",
        SERVE,
        "            time.sleep(0.5)\n            raise BlockingIOError",
        "            raise BlockingIOError",
        f"{RESOURCES}test_no_file_can_be_opened_for_a_while[sqlite]",
    ),
    Protection(
        "too few files are told at the start",
        SERVE,
        "    if files < FILES:\n",
        "    if not files:\n",
        f"{RESOURCES}test_with_too_little_it_does_not_start_and_says_what_is_missing[sqlite-files]",
    ),
    # ── while our own database is gone ────────────────────────────────────────────────────────────
    Protection(
        "a report waits for the database on another's thread",
        OUTAGE,
        "    future: Future[T] = Future()\n",
        "    return do()\n    future: Future[T] = Future()\n",
        f"{JOURNAL_CRASH}test_a_database_that_hangs_holds_up_no_report_and_no_page_of_ours[postgresql]",
    ),
    Protection(
        "a database that is only busy is not taken for gone",
        OUTAGE,
        "        if not wrote_within(A_SECOND):\n",
        "        if True:\n",
        f"{JOURNAL_CRASH}test_a_database_that_is_only_busy_is_not_taken_for_gone[postgresql]",
    ),
    Protection(
        "on SQLite a report is written before all that wait",
        REPORTING,
        "transaction(urgent=True)",
        "transaction()",
        f"{JOURNAL_CRASH}test_a_report_is_written_before_others_that_wait_to_write[sqlite]",
    ),
    Protection(
        "a full journal leaves the database that is only busy",
        REPORT_PAGE,
        "        except (JournalFull, OSError) as error:\n",
        "        except (JournalFull, OSError) as error:\n            raise\n",
        f"{JOURNAL_CRASH}test_with_a_full_journal_and_a_busy_database_a_report_waits_for_the_database[postgresql]",
    ),
    Protection(
        "what took too long is not committed later",
        REPORTING,
        "        if self._given_up:\n",
        "        if False:\n",
        f"{JOURNAL_CRASH}test_without_a_journal_a_busy_database_is_waited_for_and_nobody_is_paged_after_they_have_phoned"
        "[14-False-postgresql]",
    ),
    Protection(
        "what may have been committed keeps its name",
        REPORTING,
        "            self._given_up = True\n            return self._draft\n",
        "            self._given_up = True\n            return None\n",
        f"{JOURNAL_CRASH}test_a_commit_whose_outcome_nobody_knows_pages_once_under_the_same_name[sqlite-done-unnoted]",
    ),
    Protection(
        "what was paged from the journal is looked for first",
        STANDBY,
        "reporting.record(incident, begun_at=incident.created_at)",
        "reporting.record(incident)",
        "tests/test_journal.py::test_the_database_comes_back_before_pagerduty_does[sqlite]",
    ),
    Protection(
        "what the journal holds is known after a restart",
        STANDBY,
        "            reporting.remember(incident)\n            self._kept",
        "            self._kept",
        f"{JOURNAL_CRASH}test_sent_again_after_a_restart_it_is_the_same[sqlite-not-noted]",
    ),
    Protection(
        "a commit that comes late starts nothing without a look",
        RUNNER,
        "attempts if may_start() else []",
        "attempts",
        f"{JOURNAL_CRASH}test_a_late_commit_does_not_page_again_what_was_resolved_meanwhile[sqlite]",
    ),
    Protection(
        "what is being paged from the journal is not begun again meanwhile",
        STANDBY,
        "    busy: threading.Lock = field(default_factory=threading.Lock)\n",
        "    busy: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(9))\n",
        f"{JOURNAL_CRASH}test_sent_again_while_its_page_is_under_way_it_is_the_same[sqlite-noted]",
    ),
    Protection(
        "what the journal holds is paged after a restart",
        STANDBY,
        "        self._take_over(self._journal)\n",
        "",
        "tests/test_journal.py::test_killed_and_started_without_its_database_it_pages_what_it_had_accepted[sqlite]",
    ),
    Protection(
        "what a neighbour's journal holds is paged when it died",
        STANDBY,
        "                self._take_over_abandoned()\n",
        "                pass\n",
        f"{JOURNAL_CRASH}test_what_a_neighbour_had_accepted_before_it_died_is_paged[postgresql]",
    ),
    Protection(
        "the journal's room on disk is taken beforehand",
        JOURNAL,
        "            self._take_room()\n",
        "            os.ftruncate(self._file, SLOTS * SLOT)\n",
        f"{GONE}test_sqlite_on_a_disk_that_is_full_for_a_while[sqlite]",
    ),
    Protection(
        "what the disk failed to keep is taken back",
        JOURNAL,
        "                self._failed.add(slot)\n",
        "                self._taken.discard(slot)\n",
        f"{JOURNAL_CRASH}test_what_the_disk_failed_to_keep_pages_nobody_after_they_have_phoned[sqlite-once]",
    ),
    Protection(
        "and is, as soon as the disk takes it",
        STANDBY,
        "                self._journal.empty_failed()\n",
        "                pass\n",
        f"{JOURNAL_CRASH}test_what_the_disk_failed_to_keep_pages_nobody_after_they_have_phoned[sqlite-on]",
    ),
    Protection(
        "the same report gets the same name everywhere",
        STANDBY,
        'of=f"{report.sender} {report.report_id}"',
        'of=f"{id(self)} {report.report_id}"',
        f"{JOURNAL_CRASH}test_a_report_that_two_replicas_took_without_the_database_is_one[postgresql]",
    ),
    Protection(
        "a name is noted on disk before it is committed",
        REPORTING,
        "                    note(draft)\n",
        "",
        f"{JOURNAL_CRASH}test_killed_and_sent_again_while_the_database_is_gone_it_is_the_same[sqlite-open]",
    ),
    Protection(
        "a report whose name was noted is looked for first",
        STANDBY,
        "0.0 if taken else clock() + SENDABLE",
        "clock() + SENDABLE",
        f"{JOURNAL_CRASH}test_killed_and_sent_again_while_the_database_is_gone_it_is_the_same[sqlite-resolved]",
    ),
    Protection(
        "the same report is the same in the journal, too",
        STANDBY,
        "            reporting.remember(incident)\n        watch",
        "        watch",
        "tests/test_journal.py::test_the_form_opens_shows_who_is_on_call_and_says_what_is_wrong[sqlite-not-noted]",
    ),
    Protection(
        "of a report that is sent twice, one goes to the journal alone",
        REPORTING,
        "        _left_to_journal.add((report.sender, report.report_id))\n",
        "",
        f"{JOURNAL_CRASH}test_sent_twice_while_the_database_is_slow_it_is_one[sqlite-1.2]",
    ),
    Protection(
        "what a neighbour has in the journal keeps its name",
        REPORTING,
        "    same_or_different(report, Incident(id=taken.name, digest=taken.digest))\n    return taken\n",
        "    return None\n",
        f"{JOURNAL_CRASH}test_a_neighbour_knows_what_went_to_the_journal[False-postgresql]",
    ),
    Protection(
        "and is looked for first",
        REPORTING,
        "record(draft, begun_at=taken.taken_at)",
        "record(draft)",
        f"{JOURNAL_CRASH}test_a_neighbour_knows_what_went_to_the_journal[True-postgresql]",
    ),
    Protection(
        "a report that was written anew and sent to another process goes beside the first",
        STANDBY,
        "incident.report_id = uuid5(incident.report_id, incident.name)",
        "pass",
        f"{JOURNAL_CRASH}test_written_anew_and_sent_to_another_replica_both_are_reported[postgresql]",
    ),
    Protection(
        "what was written anew and has the same name is told",
        STANDBY,
        "                there.also_reported(incident, kept.page)\n",
        "                pass\n",
        f"{JOURNAL_CRASH}test_written_anew_and_sent_to_another_replica_while_neither_reaches_the_database_"
        "both_wordings_are_there[same-postgresql]",
    ),
    Protection(
        "and is told once, however often it is brought in",
        MODELS,
        "        if self.timeline.filter(facts=facts).exists():\n            return\n",
        "",
        f"{JOURNAL_CRASH}test_written_anew_and_sent_to_another_replica_while_neither_reaches_the_database_"
        "both_wordings_are_there[same-postgresql]",
    ),
    Protection(
        "what waited in the journal is looked for, however certainly it was not sent",
        STANDBY,
        "        kept.next_at = clock() + error.pause(kept.attempts, slowest=PAGE.slowest_retry)\n",
        "        kept.next_at = clock() + error.pause(kept.attempts, slowest=PAGE.slowest_retry)\n"
        "        kept.sendable_until = kept.next_at + SENDABLE\n",
        f"{JOURNAL_CRASH}test_what_another_may_have_paged_meanwhile_is_looked_for_however_certainly_we_have_not[sqlite]",
    ),
    Protection(
        "who reports is signed, and not for ever",
        WITHOUT_DATABASE,
        "    them = _read(request, REMEMBERED)\n",
        "    them = _read(request, 10 * REMEMBERED)\n",
        "tests/test_journal.py::test_only_whoever_was_signed_in_lately_is_known[sqlite]",
    ),
    # ── from version to version ───────────────────────────────────────────────────────────────────
    Protection(
        "a renamed step is known by the name it had",
        WORKFLOW,
        " or name in step.was)",
        ")",
        UPGRADE,
    ),
    Protection(
        "a removed step that was not begun is off",
        RUNNER,
        "for step in map(workflow.step, rows) if",
        "for step in workflow.steps if",
        UPGRADE,
    ),
    # ── news of PagerDuty ─────────────────────────────────────────────────────────────────────────
    Protection(
        "a webhook is believed only with PagerDuty's signature",
        SIGNATURE,
        "    return any(found)\n",
        "    return True\n",
        "tests/test_webhooks.py::test_the_signature_is_that_of_the_bytes[sqlite]",
    ),
    Protection(
        "the same webhook again is known",
        SYNC,
        "        if is_new and told.page_id:\n",
        "        if told.page_id:\n",
        "tests/test_webhooks.py::test_one_that_is_sent_twice_is_read_once[sqlite]",
    ),
    Protection(
        "what the log tells late takes the place of what was seen",
        MODELS,
        "                row = row or seen\n",
        "                row = None\n",
        LATE_LOG,
    ),
    Protection(
        "what the log has told is not told again when it is seen",
        MODELS,
        "at__range=(earliest, at + SLACK)).exists():\n            return\n",
        "at__range=(earliest, at + SLACK)).exists():\n            pass\n",
        "tests/test_sync.py::test_what_the_log_told_first_is_not_told_again_when_it_is_seen[sqlite]",
    ),
    Protection(
        "the log is read from where the last reading ended",
        SYNC,
        "since = min(mark.at, pager().now()) - LATE if mark else pager().now() - BEGINNING",
        "since = pager().now()",
        "tests/test_sync.py::test_a_hub_that_was_away_reads_what_it_missed[sqlite]",
    ),
    Protection(
        "nobody is reminded twice",
        SYNC,
        '.exclude(reminded_of=F("status_changed_at"))',
        "",
        "tests/test_news.py::test_nobody_acknowledging_for_five_minutes_is_shown_and_told_once[sqlite]",
    ),
    Protection(
        "a drill sends nothing where it could reach somebody else",
        DRILL,
        "        if found:\n            return _refused(drill, found)\n",
        "",
        "tests/test_drill.py::test_where_it_could_reach_somebody_else_nothing_is_sent[sqlite]",
    ),
    Protection(
        "the page of a drill is one person's and follows no policy",
        PAGERDUTY,
        "if request.only_person_id is not None:",
        "if False:",
        "tests/test_drill.py::test_a_drill_rings_only_who_pressed_and_shows_each_link[sqlite]",
    ),
    Protection(
        "the page of a drill is looked for before it is sent again",
        DRILL,
        '"page", page, look_for_page, ',
        '"page", page, None, ',
        "tests/test_drill.py::test_killed_while_the_page_is_under_way_it_pages_once[sqlite]",
    ),
    Protection(
        "a drill says that its page does not exist",
        DRILL,
        "        return lambda: _fresh(drill).not_there()\n",
        "        return nothing\n",
        "tests/test_drill.py::test_a_page_that_pagerduty_does_not_have_is_said[sqlite]",
    ),
    Protection(
        "a page that PagerDuty may list yet is not written off",
        DRILL,
        "LISTED_WITHIN = timedelta(seconds=70)",
        "LISTED_WITHIN = timedelta(seconds=2)",
        "tests/test_drill.py::test_a_page_that_is_listed_late_is_found_and_resolved_after_the_end[sqlite]",
    ),
    Protection(
        "a drill is put away, however late",
        DRILL,
        "_step = partial(Step, ask_after=None)",
        "_step = partial(Step)",
        "tests/test_drill.py::test_begun_on_friday_and_gone_on_with_on_monday_it_is_put_away[sqlite]",
    ),
    Protection(
        "a drill of which a step is under way is not deleted",
        DRILL,
        " | Q(state__in=TO_RUN)",
        "",
        "tests/test_drill.py::test_it_cannot_be_deleted_while_a_step_of_it_is_under_way[sqlite]",
    ),
    Protection(
        "a weekly drill is one, however often it is begun",
        PLANNING,
        "    press = press_of(planned)\n",
        "    from uuid import uuid4\n\n    press = uuid4()\n",
        "tests/test_weekly_drill.py::test_killed_in_the_middle_it_is_one_drill[sqlite]",
    ),
    # ── people are told, once ─────────────────────────────────────────────────────────────────────
    Protection(
        "one run decides nothing",
        f"{DOCTOR}models.py",
        "SURE = 2\n",
        "SURE = 1\n",
        "tests/test_watching.py::test_what_comes_and_goes_is_not_told[sqlite]",
    ),
    Protection(
        "what could not be checked is not taken for mended",
        f"{DOCTOR}history.py",
        "if not there[key].is_hidden_by(blind):",
        "if True:",
        "tests/test_watching.py::test_a_check_that_could_not_be_made_is_neither_broken_nor_mended[sqlite]",
    ),
    Protection(
        "what is told of the hub is looked for before it is told again",
        f"{DOCTOR}telling.py",
        "            look_for_announcement,\n",
        "",
        "tests/test_watching.py::test_a_lost_answer_and_a_kill_double_no_message[sqlite]",
    ),
    Protection(
        "no heartbeat without a pulse",
        f"{DOCTOR}watching.py",
        "if last is None or now() - last > PULSE_LASTS:",
        "if False:",
        "tests/test_telling.py::test_no_heartbeat_while_the_lane_of_the_pages_does_nothing[sqlite]",
    ),
    Protection(
        "what the guided set-up makes is looked for before",
        "incident_central/integrations/pagerduty/creating.py",
        "find(pager, wanted) or ",
        "",
        "tests/test_setup.py::test_what_was_made_though_nobody_could_look_is_found_at_the_next_try",
    ),
    Protection(
        "after a lost answer it looks again by itself",
        "incident_central/integrations/pagerduty/creating.py",
        "if (row := find(pager, wanted)) is None:\n            raise\n        return row",
        "raise",
        "tests/test_setup.py::test_what_was_made_though_the_answer_was_lost_is_found_and_made_once[answer-lost]",
    ),
    Protection(
        "settings are written readable by their owner alone",
        "incident_central/guide/settings_file.py",
        "0o600",
        "0o644",
        "tests/test_setup.py::test_the_answers_are_written_for_a_shell_and_readable_by_their_owner_alone",
    ),
)


def where(one: Protection) -> str:
    """`module.function` that the protection is in, below `incident_central`."""
    code = (ROOT / one.file).read_text()
    line = code[: code.index(one.text)].count("\n") + 1
    inside: list[str] = []
    found: list[ast.AST] = [ast.parse(code)]
    while found:
        node = found.pop()
        for child in ast.iter_child_nodes(node):
            if getattr(child, "lineno", 0) <= line <= (getattr(child, "end_lineno", 0) or 0):
                found.append(child)
                if isinstance(child, ast.FunctionDef | ast.ClassDef):
                    inside.append(child.name)
    module = one.file.removeprefix("incident_central/").removesuffix(".py").replace("/", ".")
    return ".".join([module, *inside])
