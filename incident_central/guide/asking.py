"""Questions in the terminal, or to whatever is at standard input: then an answer is a line."""

import getpass
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import TypeVar

from incident_central.findings import Finding, Level, plain
from incident_central.integrations.base import IntegrationError

T = TypeVar("T")

WIDTH = 100
MARKS = {Level.FAIL: "FIX THIS", Level.WARN: "LOOK AT IT", Level.UNKNOWN: "COULD NOT CHECK", Level.REMARK: "remark"}
#: Of a secret at least this long the last four characters are shown.
LONG = 16
#: What is typed to have no answer where one would be taken with Enter.
NOTHING = "-"


class Ended(Exception):
    """There are no more answers."""


class Terminal:
    def __init__(self) -> None:
        self._typed_by_somebody = sys.stdin.isatty()
        self._shown: set[Finding] = set()

    def say(self, text: str = "") -> None:
        """Names of other people's making are in it: what would steer the terminal is taken out."""
        for line in text.split("\n"):
            line = "".join(letter if letter.isprintable() else "�" for letter in line)
            margin = line[: len(line) - len(line.lstrip())]
            filled = textwrap.fill(
                line, WIDTH, subsequent_indent=margin, break_on_hyphens=False, break_long_words=False
            )
            print(filled, flush=True)

    def show(self, text: str) -> None:
        """As it is, set in."""
        print(textwrap.indent(text, "    "), flush=True)

    def ask(self, question: str, read: Callable[[str], T], *, default: str = "", optional: bool = False) -> T:
        """Asked again until `read` takes the answer. It raises ValueError: “must be …”. Raises Ended."""
        return self._ask(question, read, default, shown=default, optional=optional, answer=self._line)

    def ask_secret(self, question: str, read: Callable[[str], T], *, kept: str = "", optional: bool = False) -> T:
        """As ask(), for what nobody may look at. `kept` is taken with Enter."""
        shown = f"the one that there is{tail(kept)}" if kept else ""
        return self._ask(question, read, kept, shown=shown, optional=optional, answer=self._hidden)

    def wants(self, question: str, *, default: bool) -> bool:
        return self.ask(f"{question} yes or no", _yes_or_no, default="yes" if default else "no")

    def found(self, findings: Iterable[Finding]) -> list[Finding]:
        """Say what was found, each thing once, with its fix; and have it all."""
        found = list(findings)
        for one in found:
            if one in self._shown:
                continue
            self._shown.add(one)
            self.say(f"  {MARKS.get(one.level, 'ok')}: {plain(one.title)}. {plain(one.said)}")
            if one.level != Level.OK:
                for number, step in enumerate(one.fix, start=1):
                    self.say(f"     {number}. {plain(step)}" if len(one.fix) > 1 else f"     {plain(step)}")
        return found

    def takes(self, findings: Iterable[Finding]) -> bool:
        """Whether to go on with an answer of which this was found."""
        troubles = [one for one in self.found(findings) if one.level in (Level.FAIL, Level.UNKNOWN)]
        return not troubles or self.wants("Go on with it all the same?", default=False)

    def done(self, call: Callable[[], T]) -> T | None:
        """What the call brought; None where it failed and nobody wants to try it again."""
        while True:
            try:
                return call()
            except IntegrationError as error:
                self.say(f"  That failed. {error}")
            if not self.wants("Try again?", default=True):
                return None

    def _ask(
        self,
        question: str,
        read: Callable[[str], T],
        default: str,
        *,
        shown: str,
        optional: bool,
        answer: Callable[[str], str],
    ) -> T:
        taken = f"{shown}; {NOTHING} for none" if optional and shown else shown or ("none" if optional else "")
        prompt = f"{question} [{taken}]: " if taken else f"{question}: "
        while True:
            try:
                given = answer(prompt).strip()
                if not given.isprintable():
                    raise ValueError("must be one line of plain text")
                given = "" if given == NOTHING else given or default
                if not given and not optional:
                    raise ValueError("must be given")
                return read(given)
            except UnicodeDecodeError:
                self.say("  It must be text in UTF-8.")
            except ValueError as error:
                self.say(f"  It {error}.")

    def _line(self, prompt: str) -> str:
        print(f"\n{prompt}", end="", flush=True)
        line = sys.stdin.readline()
        if not line:
            raise Ended
        if not self._typed_by_somebody:
            print()  # nobody pressed Enter here
        return line

    def _hidden(self, prompt: str) -> str:
        if not self._typed_by_somebody:
            return self._line(prompt)
        try:
            return getpass.getpass(f"\n{prompt}")
        except EOFError:
            raise Ended from None


def tail(secret: str) -> str:
    return f", …{secret[-4:]}" if len(secret) >= LONG else ""


def _yes_or_no(text: str) -> bool:
    if (word := text.lower()) not in ("y", "yes", "n", "no"):
        raise ValueError("must be yes or no")
    return word.startswith("y")
