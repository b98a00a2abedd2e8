"""The sandbox as one process: three listeners on the loopback address, one clock, two providers."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from incident_central.sandbox import company
from incident_central.sandbox.calls import Calls
from incident_central.sandbox.clock import Clock
from incident_central.sandbox.control import Control
from incident_central.sandbox.faults import Faults
from incident_central.sandbox.gate import Gate, Latency
from incident_central.sandbox.listener import Listener
from incident_central.sandbox.pagerduty.api import PagerDutyApi
from incident_central.sandbox.server import Request, Response
from incident_central.sandbox.slack.api import SlackApi


class Sandbox:
    """Everything that runs. `start_over` replaces the two providers; the addresses stay."""

    pagerduty: PagerDutyApi
    slack: SlackApi

    def __init__(
        self,
        *,
        port: int = 0,
        pagerduty_port: int = 0,
        slack_port: int = 0,
        hub_url: str = "",
        workspace: str = company.NAME,
    ) -> None:
        self.hub_url = hub_url
        self.workspace = workspace
        self.clock = Clock()
        self.calls = Calls()
        self.faults = Faults()
        self.latency = Latency()
        self._heeding = threading.Lock()  # or the clock's thread could undo what a fault just added did
        control = Control(self)
        self.page_listener = Listener(lambda request, client_left: control.answer(request), port=port)
        self.listeners = {
            "pagerduty": Listener(self._through_gate("pagerduty"), port=pagerduty_port, latency=self.latency),
            "slack": Listener(self._through_gate("slack"), port=slack_port, latency=self.latency),
        }
        self._begin(company.HARBOUR_FINCH)
        self.clock.on_tick(lambda: self.pagerduty.tick())
        self.clock.on_tick(self.heed_faults)

    @property
    def addresses(self) -> dict[str, str]:
        return {
            "page": self.page_listener.url,
            "pagerduty": self.listeners["pagerduty"].url,
            "slack": f"{self.listeners['slack'].url}/api/",
        }

    @property
    def apis(self) -> tuple[PagerDutyApi, SlackApi]:
        return self.pagerduty, self.slack

    def open(self) -> None:
        for listener in (self.page_listener, *self.listeners.values()):
            listener.open()
        self.clock.start()

    def close(self) -> None:
        self.clock.stop()
        self.pagerduty.stop()
        self.faults.clear()
        for listener in (self.page_listener, *self.listeners.values()):
            listener.close()

    def start_over(self, *, services: int = 0, people: int = 0) -> None:
        """A fresh company without incidents, faults, latency or calls, filled up to so many services and people."""
        self.pagerduty.stop()
        self.faults.clear()
        self.calls.clear()
        self.latency.pagerduty = self.latency.slack = self.latency.connect = 0.0
        self.clock.offset = 0.0
        self._begin(company.grown(services=services, people=people))

    def _begin(self, played: company.Company) -> None:
        page_url = self.page_listener.url
        api_url = self.listeners["pagerduty"].url
        self.pagerduty = PagerDutyApi(
            clock=self.clock, faults=self.faults, api_url=api_url, page_url=page_url, company=played
        )
        self.slack = SlackApi(clock=self.clock, page_url=page_url, workspace=self.workspace, people=played.people)

    def heed_faults(self) -> None:
        """Stop listening where a provider is down as a whole, and come back when it is not."""
        with self._heeding:
            for provider, listener in self.listeners.items():
                if self.faults.refusing(provider, now=self.clock.now()):
                    listener.refuse()
                else:
                    listener.open()

    def _through_gate(self, provider: str) -> Callable[[Request, Callable[[], bool]], Response]:
        def answer(request: Request, client_left: Callable[[], bool]) -> Response:
            api = self.pagerduty if provider == "pagerduty" else self.slack
            gate = Gate(api, clock=self.clock, calls=self.calls, faults=self.faults, latency=self.latency)
            return gate.answer(request, client_left)

        return answer


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. Prints the three addresses as one JSON line once all of them listen."""
    parser = argparse.ArgumentParser(prog="incident-central sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the page; 0, the default, takes a free one")
    parser.add_argument("--pagerduty-port", type=int, default=0, help="of the make-believe PagerDuty")
    parser.add_argument("--slack-port", type=int, default=0, help="of the make-believe Slack")
    parser.add_argument("--hub-url", default="", help="where the hub is, for the page's link back")
    parser.add_argument("--workspace", default=company.NAME, help="name of the Slack workspace")
    options = parser.parse_args(argv)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: stopped.set())
    try:
        sandbox = Sandbox(**vars(options))
    except OSError as error:
        ports = [port for port in (options.port, options.pagerduty_port, options.slack_port) if port]
        asked = ", ".join(map(str, ports))
        print(f"sandbox: one of the ports {asked} cannot be had ({error.strerror}). Choose others.", file=sys.stderr)
        return 2
    sandbox.open()
    print(json.dumps(sandbox.addresses), flush=True)
    while not stopped.wait(1.0):
        pass  # the system may have told another thread of the signal, which does not wake this one
    sandbox.close()
    return 0
