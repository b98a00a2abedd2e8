"""What people type, made safe to show and to send on."""

import re
import unicodedata
from collections.abc import Sequence

#: Characters that turn the direction of the text around them: they can make a line read as something else.
BIDI = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u200e", "\u200f", "\u061c"}
#: Invisible, but they hold emoji and several scripts together.
JOINERS = {"\u200c", "\u200d", "\ufe0f"}
#: As that of England: a black flag, and whose it is in letters that nobody sees.
REGIONS_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f)")
#: Of those that are not assigned yet, what never will be seen. (Unicode: Default_Ignorable_Code_Point)
IGNORED = {"\u2065", *map(chr, range(0xFFF0, 0xFFF9))}
#: From here on there is nothing to be seen, in any version of Unicode.
UNSEEN = 0xE0000


def clean(text: str, *, lines: bool = False) -> str:
    """The text without control and direction characters and without blanks at its ends; one line, unless `lines`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if lines:
        return "\n".join(line.rstrip() for line in _without_hidden(text).split("\n")).strip()
    return " ".join(_without_hidden(text).split())


def plain(text: str) -> str:
    """For comparing and searching: in lower case, without accents, words parted by one blank."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).split())


def listing(words: Sequence[str]) -> str:
    """Ana, Mei and Oskar."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _without_hidden(text: str) -> str:
    parts = REGIONS_FLAG.split(text)  # every second one is such a flag
    parts[::2] = ["".join(c for c in part if c in "\n\t" or not _is_hidden(c)) for part in parts[::2]]
    return "".join(parts)


def _is_hidden(character: str) -> bool:
    if character in JOINERS:
        return False
    category = unicodedata.category(character)
    if category == "Cn":  # it may be younger than our table, as new emoji are
        return ord(character) >= UNSEEN or character in IGNORED or _is_noncharacter(ord(character))
    return character in BIDI or category in ("Cc", "Cs", "Cf", "Co")


def _is_noncharacter(number: int) -> bool:
    """Unicode never makes it one."""
    return 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE
