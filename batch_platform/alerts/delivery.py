"""Sending messages through apprise, in a process of its own that is ended when its time is over.

A receiver that hangs, however slowly it answers, so holds up nobody, and neither addresses nor what libraries log of
them ever are in the process that writes Dagster's logs.

Belongs here: handing messages over and learning what became of each. Does not belong here: apprise (`sending.py`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from batch_platform.alerts.addresses import Addresses
from batch_platform.alerts.message import Message

SECONDS = 20.0
"""How long all messages of one look may take; what is not sent by then is sent by the next."""

TOO_LATE = "did not answer in time"


def deliver(
    messages: Sequence[Message], addresses: Addresses, seconds: float = SECONDS, storage: Path | None = None
) -> list[str | None]:
    """Send messages, those of one address one after another until one fails, those of several at once.

    Args:
        messages: what to send.
        addresses: where to.
        seconds: how long that may take.
        storage: a folder for what a receiver of apprise must remember: by what to close an alert at Opsgenie.

    Returns:
        For each message why it failed, without anything secret; empty if it has arrived, None if it was not tried.
    """
    found: list[str | None] = [None for _ in messages]
    letters = [
        {
            "number": number,
            "address": message.address,
            "url": addresses.urls[message.address],
            "occasion": message.occasion,
            "severity": str(message.severity),
            "title": message.title,
            "body": message.body,
            "alert": message.alert_id,
        }
        for number, message in enumerate(messages)
        if message.address in addresses.urls
    ]
    work = {"letters": letters, "storage": str(storage) if storage else None, "seconds": seconds + 1}
    told, trouble = _sent(work, seconds)
    for line in told.splitlines():
        try:
            number, text = json.loads(line)
            found[number] = str(text)
        except (ValueError, TypeError, IndexError):
            continue  # cut off where the process was ended
    _blame_the_unanswered(messages, found, addresses, trouble)
    return found


def _sent(work: Mapping[str, object], seconds: float) -> tuple[str, str]:
    """What the process told, and what is to be said of messages that it told nothing of."""
    if not work["letters"]:
        return "", ""
    command = [sys.executable, "-m", "batch_platform.alerts.sending"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        return "", f"the sender cannot be started: {error.strerror}"
    with process:
        try:
            told, _ = process.communicate(json.dumps(work), timeout=seconds)
            return told, f"the sender ended with code {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0], TOO_LATE


def _blame_the_unanswered(
    messages: Sequence[Message], found: list[str | None], addresses: Addresses, trouble: str
) -> None:
    """The first message of an address that nothing is known of has failed, unless one before it has."""
    ended: set[str] = set()
    for number, message in enumerate(messages):
        if message.address in ended:
            continue
        if found[number] is None:
            found[number] = addresses.lacking(message.address) or trouble
        if found[number]:
            ended.add(message.address)
