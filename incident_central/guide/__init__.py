"""`incident-central setup`: the guided set-up, in the terminal.

It asks, looks at each answer at once, makes in PagerDuty what is wanted after showing it, and writes the settings to a
file that a shell or systemd reads. It needs no settings itself, so it knows nothing of Django; what needs them it has
done by `incident-central` itself, run with the new file.

Nothing is written before the last question. Everything is safe to repeat: what is there already is found and kept.
"""

from pathlib import Path

from incident_central.guide import database, pagerduty, place, slack, trying
from incident_central.guide.asking import Ended, Terminal
from incident_central.guide.settings_file import SettingsFile


def run(path: Path) -> int:
    """Ask everything, and write the answers to the file; the exit code: 1 where it was ended before. Raises
    CannotStart where the file cannot be read or written."""
    terminal, file = Terminal(), SettingsFile(path)
    try:
        terminal.say(
            "Incident Central is set up in four steps. An answer in [brackets] is taken with Enter. Nothing is written "
            f"before the end, and then to {file.path}. Ctrl-C ends it."
        )
        place.ask(terminal, file)
        account = pagerduty.ask(terminal, file)
        slack.ask(terminal, file)
        database.ask(terminal, file)
        file.write()
    except (Ended, KeyboardInterrupt):
        terminal.say(
            f"\nEnded. {file.path} is as it was. What was made in PagerDuty stays there, and is found the next time."
        )
        return 1
    terminal.say(f"\nThe settings are in {file.path}, which only its owner may read.")
    try:
        trying.ask(terminal, file, account)
    except (Ended, KeyboardInterrupt):
        terminal.say("\nEnded. The settings stay as they are.")
        return 1
    return 0
