"""`incident-central setup`, answered question by question, as somebody at a terminal does it."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from incident_central import demo
from tests.processes import ROOT, Sandbox

PATIENCE = 60.0  # seconds
#: A part of the question, and what is answered; whatever is not in the list is answered with Enter.
Answers = Sequence[tuple[str, str]]


class Dialogue:
    """One run. Each answer is given once, at the first question with these words in it that has none yet."""

    def __init__(
        self, folder: Path, *options: str, terminal: bool = False, before: Sequence[str] = (), **settings: str
    ) -> None:
        self.said = ""
        self._answered = 0
        self._master: int | None = None
        inside = subprocess.PIPE
        if terminal:
            self._master, inside = pty.openpty()
        self._process = subprocess.Popen(
            [*before, sys.executable, "-m", "incident_central", "setup", *options],
            stdin=inside,
            stdout=inside,
            stderr=inside if terminal else subprocess.STDOUT,
            env=demo.cleaned(os.environ) | {"PYTHONPATH": str(ROOT)} | settings,
            cwd=folder,
            start_new_session=terminal,
        )
        if self._master is not None:
            os.close(inside)

    def question(self) -> str | None:
        """The next question; None where it ended."""
        until = time.monotonic() + PATIENCE
        while True:
            last = self.said[self._answered :].rpartition("\n")[2]
            if last.endswith(": "):
                return last
            if not select.select([self._out], [], [], until - time.monotonic())[0]:
                raise AssertionError(f"neither a question nor an end in {PATIENCE} s:\n{self.said}")
            try:
                chunk = os.read(self._out, 65536)
            except OSError:  # a terminal whose other end was closed
                chunk = b""
            if not chunk:
                return None
            self.said += chunk.decode().replace("\r\n", "\n")

    def answer(self, text: str) -> None:
        self.answered()
        os.write(self._in, text.encode() + b"\n")

    def run(self, answers: Answers) -> int:
        """Answer everything; the exit code. Every answer must have been asked for."""
        left = list(answers)
        while (question := self.question()) is not None:
            found = next((one for one in left if one[0] in question), None)
            self.answer(found[1] if found else "")
            if found:
                left.remove(found)
        code = self.end()
        assert not left, f"never asked: {left}\n{self.said}"
        return code

    def answered(self) -> None:
        """What was asked last is asked no more."""
        self._answered = len(self.said)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def hang_up(self) -> None:
        """No more answers."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> int:
        while self.question() is not None:
            raise AssertionError(f"it still asks:\n{self.said}")
        code = self._process.wait(timeout=20)
        for end in (self._process.stdin, self._process.stdout):
            if end is not None:
                end.close()
        if self._master is not None:
            os.close(self._master)
        return code

    @property
    def _out(self) -> int:
        if self._master is not None:
            return self._master
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    @property
    def _in(self) -> int:
        if self._master is not None:
            return self._master
        assert self._process.stdin is not None
        return self._process.stdin.fileno()


@dataclass
class SetUp:
    """Somebody with an empty folder, a key and a token, beside a sandbox."""

    sandbox: Sandbox
    folder: Path
    said: str = ""
    code: int = 0
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.folder / ".env"

    def run(self, *answers: tuple[str, str], options: Sequence[str] = ()) -> str:
        """What it said until its end."""
        dialogue = Dialogue(self.folder, *options)
        self.code = dialogue.run(answers)
        self.said = dialogue.said
        return self.said

    @property
    def text(self) -> str:
        return self.file.read_text()

    def settings(self) -> dict[str, str]:
        """As a shell reads them."""
        script = f"set -a; . {self.file}; exec env -0"
        done = subprocess.run(["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
        pairs = [one.partition("=") for one in done.stdout.decode().split("\0") if one]
        return {name: value for name, _, value in pairs if name not in ("PATH", "PWD", "OLDPWD", "SHLVL", "_")}

    def commands(self) -> list[str]:
        """The blocks of commands that it names at its end."""
        return re.findall(r"((?:^    .+\n)+)", self.said.partition("Next, run it:")[2], re.M)
