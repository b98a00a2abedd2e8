"""What people type, made safe to show and to send on."""

import unicodedata
from collections.abc import Sequence

#: Characters that turn the direction of the text around them: they can make a line read as something else.
BIDI = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"}
#: Invisible, but they hold emoji and several scripts together.
JOINERS = {"\u200c", "\u200d", "\ufe0f"}


def clean(text: str, *, lines: bool = False) -> str:
    """The text without control and direction characters and without blanks at its ends; one line, unless `lines`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if lines:
        kept = "".join(c for c in text if c in "\n\t" or not _is_hidden(c))
        return "\n".join(line.rstrip() for line in kept.split("\n")).strip()
    return " ".join("".join(" " if c in "\n\t" else c for c in text if c in "\n\t" or not _is_hidden(c)).split())


def plain(text: str) -> str:
    """For comparing and searching: in lower case, without accents, words parted by one blank."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


def listing(words: Sequence[str]) -> str:
    """Ana, Mei and Oskar."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _is_hidden(character: str) -> bool:
    if character in JOINERS:
        return False
    return character in BIDI or unicodedata.category(character) in ("Cc", "Cs", "Cf", "Co", "Cn")
