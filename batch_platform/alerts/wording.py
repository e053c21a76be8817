"""Text of others in a message: on one line, short, with nothing in it that a chat would act on, and without passwords.

Messages are sent as plain text, and apprise escapes that for each receiver. What it leaves are mentions, which alarm
whole channels, and characters that reorder or hide what a person reads.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 300

_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]{1,30}://)[^\s/@]*(?::[^\s@]*)?@", re.I)
_ASSIGNED = re.compile(
    r"(?P<name>\b[\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|signature)[\w-]*\s*[=:]\s*)[^\s&,;]+",
    re.I,
)
_MARKS = re.compile(r"@|<(?=\S)|\](?=[(\[])")
_JOINER = "\u2060"
"""Nobody sees it, and behind it a mention, a tag or a link is none."""


def plain(text: str, longest: int = LONGEST) -> str:
    """Text that may come from anywhere, as a message may hold it.

    Args:
        text: as it came.
        longest: as many characters at most.
    """
    shown = "".join(" " if _is_hidden(sign) else sign for sign in text[: 20 * longest])
    shown = _ASSIGNED.sub(r"\g<name>***", _CREDENTIALS.sub(r"\1***@", " ".join(shown.split())))
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    return _MARKS.sub(lambda mark: mark[0] + _JOINER, shown.replace("`", "'"))


def _is_hidden(sign: str) -> bool:
    """Whether a character is for control, of a direction of writing, or otherwise no sign to read."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
