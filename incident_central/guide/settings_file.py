"""The settings file: lines of NAME=value that a shell (`set -a; . ./.env; set +a`) and systemd's EnvironmentFile= read.

Whatever else is in it, comments too, stays as it is.
"""

import os
import re
import secrets
from pathlib import Path

from incident_central.start import CannotStart

HEADER = """\
# Settings of Incident Central, written by `incident-central setup`. docs/configuration.md says what each means.
# It is read by whatever starts the hub: systemd's EnvironmentFile=, or a shell: set -a; . ./.env; set +a
"""
LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*")
ESCAPED = '\\"$`'


class SettingsFile:
    """What a file says, and what is to be changed in it. Raises CannotStart where it cannot be read, or written."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute().resolve()
        self._values = _values(self._lines())
        self._changed: dict[str, str] = {}
        if not os.access(self.path.parent, os.W_OK):
            raise CannotStart(f"{self.path.parent} is no folder that this user may write. Name another with --file.")

    def value(self, name: str, default: str = "") -> str:
        """What it will say; the default also where it says something that only a shell understands."""
        return self._changed.get(name, self._values.get(name, "")) or default

    def put(self, name: str, value: str) -> None:
        self._changed[name] = value

    def write(self) -> None:
        """All at once or not at all, readable by its owner alone from the first byte on.

        Read again before, so that what somebody changed meanwhile stays. Safe to repeat.
        """
        lines = self._lines() or HEADER.splitlines()
        for name, value in self._changed.items():
            there = _values(lines)
            # An empty line, too, or what the shell has of that name from elsewhere would count.
            if there.get(name, "" if f"{name}_FILE" in there else None) != value:
                _put(lines, name, value)
        new = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                self._give_to_owner(descriptor)
                file.write("\n".join(lines) + "\n")
                file.flush()
                os.fsync(descriptor)
            new.replace(self.path)
        except OSError as error:
            raise CannotStart(f"{self.path} cannot be written: {error.strerror}. It is as it was.") from None
        finally:
            new.unlink(missing_ok=True)  # where Ctrl-C came in between, too

    def _give_to_owner(self, descriptor: int) -> None:
        """Whoever had the file before has it afterwards, when root writes it for them."""
        if os.geteuid() == 0 and self.path.exists():
            there = self.path.stat()
            os.fchown(descriptor, there.st_uid, there.st_gid)

    def _lines(self) -> list[str]:
        try:
            text = self.path.read_bytes().decode()
            return text.removesuffix("\n").split("\n") if text else []
        except FileNotFoundError:
            return []
        except UnicodeDecodeError:
            raise CannotStart(f"{self.path} is not a text file. Name another with --file.") from None
        except OSError as error:
            raise CannotStart(
                f"{self.path} cannot be read: {error.strerror}. Correct its rights, or name another with --file."
            ) from None


def _values(lines: list[str]) -> dict[str, str]:
    """The last one counts, as for a shell. Raises CannotStart where a value goes on in the next line."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if match := LINE.fullmatch(line):
            name, text = match[1], match[2].strip()
            if text[:1] in ("'", '"') and (len(text) == 1 or text.count(text[0]) == 1):
                raise CannotStart(f"line {number} of the settings file opens a quote that it does not close.")
            found[name] = _unquoted(text)
    return found


def _unquoted(text: str) -> str:
    """Empty where only a shell knows."""
    if PLAIN.fullmatch(text):
        return text
    if quoted := re.fullmatch(r"'([^']*)'", text):
        return quoted[1]
    if (quoted := re.fullmatch(r'"((?:[^"\\$`]|\\.)*)"', text)) is None:
        return ""
    return re.sub(r'\\([\\"$`])', r"\1", quoted[1])


def _put(lines: list[str], name: str, value: str) -> None:
    """In the place of its last line, or of the one that read it from a file; else after its example, or at the end."""
    line = f"{name}={_quoted(value)}"
    for pattern in (rf"\s*(?:export\s+)?{name}(?:_FILE)?=.*", rf"\s*#\s*{name}=.*"):
        places = [place for place, text in enumerate(lines) if re.fullmatch(pattern, text)]
        if places:
            is_example = pattern.startswith(r"\s*#")
            lines[places[-1] + is_example : places[-1] + 1] = [line]
            return
    lines.append(line)


def _quoted(value: str) -> str:
    """As a shell, systemd and container tools all read it."""
    if PLAIN.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + "".join(f"\\{letter}" if letter in ESCAPED else letter for letter in value) + '"'
