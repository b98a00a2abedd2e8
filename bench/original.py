"""The original Incident Central's order of calls, re-enacted: a small web server that does it all while one waits.

For each POST /report: a random-word service (300 ms), PagerDuty's incident, Slack's channel, then the people in two
waves (PagerDuty users, then Slack members by e-mail, each wave in parallel), then invitation, topic and database write
side by side (30 ms for the write). Where the original's ways are not known the doubt goes in its favour: connections
are kept open, the word service and the database are mere pauses without any work of their own, and nothing is ever
tried twice.

Run as a program (`python -m bench.original --pagerduty URL --slack URL`) it prints its address as one JSON line.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any
from uuid import uuid4

import httpx2

from incident_central.sandbox import company

WORD_SERVICE = 0.3  # seconds
DATABASE_WRITE = 0.03

Json = dict[str, Any]


class Original:
    """The handler of a report, and the connections that it keeps."""

    def __init__(self, *, pagerduty: str, slack: str) -> None:
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=90)
        pagerduty_headers = {
            "Authorization": f"Token token={company.PAGERDUTY_KEY}",
            "Accept": "application/vnd.pagerduty+json;version=2",
            "From": company.FROM_USER.email,
        }
        slack_headers = {"Authorization": f"Bearer {company.SLACK_TOKEN}"}
        self._pagerduty = httpx2.Client(base_url=pagerduty, headers=pagerduty_headers, limits=limits, trust_env=False)
        self._slack = httpx2.Client(base_url=slack, headers=slack_headers, limits=limits, trust_env=False)
        self._threads = ThreadPoolExecutor(32)

    def report(self, *, service_id: str, title: str) -> Json:
        """Do everything, and only then answer: the name, and when the channel's link was in the database."""
        time.sleep(WORD_SERVICE)
        name = f"incident-original-{uuid4().hex[:12]}"
        page = self._page(name, service_id=service_id, title=title)
        channel_id = self._ask_slack("conversations.create", name=name)["channel"]["id"]
        emails = self._at_once(self._email_of, [one["assignee"]["id"] for one in page["assignments"]])
        members = self._at_once(self._member_of, emails)
        invitation = self._threads.submit(
            self._ask_slack, "conversations.invite", channel=channel_id, users=",".join(members)
        )
        topic = self._threads.submit(self._ask_slack, "conversations.setTopic", channel=channel_id, topic=title)
        written = self._threads.submit(_write)
        linked_at = written.result()
        invitation.result()
        topic.result()
        return {"name": name, "linked_at": linked_at, "done_at": time.time()}

    def _page(self, name: str, *, service_id: str, title: str) -> Json:
        service = {"id": service_id, "type": "service_reference"}
        incident = {"type": "incident", "title": title, "service": service, "incident_key": name}
        answer = self._pagerduty.post("/incidents", json={"incident": incident}, timeout=60).raise_for_status()
        made: Json = answer.json()["incident"]
        return made

    def _email_of(self, user_id: str) -> str:
        answer = self._pagerduty.get(f"/users/{user_id}", timeout=60).raise_for_status()
        return str(answer.json()["user"]["email"])

    def _member_of(self, email: str) -> str:
        return str(self._ask_slack("users.lookupByEmail", email=email)["user"]["id"])

    def _at_once(self, ask: Callable[[str], str], about: list[str]) -> list[str]:
        return list(self._threads.map(ask, about))

    def _ask_slack(self, method: str, **arguments: str) -> Json:
        answer: Json = self._slack.post(method, data=arguments, timeout=60).raise_for_status().json()
        if not answer["ok"]:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer


def _write() -> float:
    """The moment at which the row is in the database."""
    time.sleep(DATABASE_WRITE)
    return time.time()


def main() -> None:
    """Answer POST /report until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pagerduty", required=True)
    parser.add_argument("--slack", required=True)
    original = Original(**vars(parser.parse_args()))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(original.report(**asked)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass  # the sandbox keeps a log

    signal.signal(signal.SIGTERM, _end)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
