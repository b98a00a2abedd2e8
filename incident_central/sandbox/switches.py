"""Where nobody could say how the real service behaves, a switch chooses between the plausible answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Switch:
    """One open question about a provider. The first choice is the default."""

    name: str
    choices: tuple[str, ...]
    meaning: str


class Switches:
    """The switches of one provider and how they stand now."""

    def __init__(self, switches: Iterable[Switch]) -> None:
        self._switches = {switch.name: switch for switch in switches}
        self._chosen = {name: switch.choices[0] for name, switch in self._switches.items()}

    def __getitem__(self, name: str) -> str:
        return self._chosen[name]

    def __contains__(self, name: str) -> bool:
        return name in self._switches

    def set(self, name: str, choice: str) -> None:
        """Turn one switch. Raises ValueError, with the possible choices, for an unknown one."""
        switch = self._switches.get(name)
        if switch is None:
            raise ValueError(f"No switch is named {name!r}. There are: {', '.join(sorted(self._switches))}.")
        if choice not in switch.choices:
            choices = ", ".join(switch.choices)
            raise ValueError(f"Switch {name!r} cannot be {choice!r}. Choose one of: {choices}.")
        self._chosen[name] = choice

    def as_json(self) -> dict[str, object]:
        return {
            name: {
                "value": self._chosen[name],
                "default": switch.choices[0],
                "choices": list(switch.choices),
                "meaning": switch.meaning,
            }
            for name, switch in self._switches.items()
        }
