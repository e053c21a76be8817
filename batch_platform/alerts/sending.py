"""The process that sends: messages on standard input, what became of each on standard output, then the end.

Whatever a library says of an address is secret until proven otherwise. So nothing of it is passed on: a failure is
told in words of our own, with the status of HTTP if there is one. Run by `delivery.py` only.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from threading import Lock, Thread, Timer
from typing import Any

_STATUS = re.compile(r"\berror\s?=\s?([1-5]\d\d)\b")
_RESOLVES = ("resolved", "over")

UNUSABLE = "the address means nothing to apprise"
UNREACHABLE = "out of reach, or it did not answer"

_telling = Lock()


def main() -> None:
    """Send what standard input holds."""
    work = json.load(sys.stdin)
    # Whoever started it may be dead by then.
    last = Timer(work["seconds"], os._exit, (1,))
    last.daemon = True
    last.start()
    by_address: dict[str, list[dict[str, Any]]] = {}
    for letter in work["letters"]:
        by_address.setdefault(letter["address"], []).append(letter)
    threads = [Thread(target=_send_all, args=(letters, work["storage"])) for letters in by_address.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.flush()
    # Threads of apprise that wait for a receiver would keep the process.
    os._exit(0)


def _send_all(letters: list[dict[str, Any]], storage: str | None) -> None:
    for letter in letters:
        try:
            trouble = send(letter, storage)
        except Exception as error:
            trouble = f"cannot be sent: {type(error).__name__}"
        with _telling:
            print(json.dumps([letter["number"], trouble]), flush=True)
        if trouble:
            return


def send(letter: Mapping[str, Any], storage: str | None) -> str:
    """Send one message; returns why it failed, empty if it has arrived."""
    import apprise

    service = apprise.Apprise.instantiate(letter["url"], asset=_asset(letter["url"], storage))
    if service is None:
        return UNUSABLE
    _name_the_alert(service, letter)
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    result = sender.notify(
        body=letter["body"], title=letter["title"], notify_type=_type(letter), body_format=apprise.NotifyFormat.TEXT
    )
    if result:
        return ""
    for entry in result.logs():
        status = _STATUS.search(entry.message)
        if status:
            return f"answered {status[1]}"
    return UNREACHABLE


def _asset(url: str, storage: str | None) -> Any:
    import apprise

    kept: dict[str, Any] = {"storage_path": storage, "storage_mode": apprise.PersistentStoreMode.FLUSH}
    return apprise.AppriseAsset(
        app_id="batch_platform",
        app_desc="batch_platform alerts",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        # A redirection would turn the POST into a GET that nobody reads, and that succeeds.
        http_redirects=False,
        pgp_autogen=False,
        pem_autogen=False,
        **(kept if storage and url.lower().startswith("opsgenie://") else {}),
    )


def _type(letter: Mapping[str, Any]) -> Any:
    import apprise

    if letter["occasion"] in _RESOLVES:
        return apprise.NotifyType.SUCCESS
    by_severity = {"page": apprise.NotifyType.FAILURE, "ticket": apprise.NotifyType.WARNING}
    return by_severity.get(letter["severity"], apprise.NotifyType.INFO)


def _name_the_alert(service: Any, letter: Mapping[str, Any]) -> None:
    """Let receivers that know incidents keep all messages of one alert as one, and close it; an address may say else.

    PagerDuty calls it deduplication key, Opsgenie alias; a webhook finds it as `alert_id` and `occasion`.
    """
    import apprise

    told = letter["url"].partition("?")[2].lower()
    if "overflow=" not in told:
        service.overflow_mode = apprise.OverflowMode.TRUNCATE  # one alert is one message, however long
    if service.secure_protocol == "pagerduty":
        service.dedup = service.dedup or letter["alert"]
        if "action=" not in told:
            service.action = "map"
    elif service.secure_protocol == "opsgenie":
        service.alias = service.alias or letter["alert"]
    elif isinstance(getattr(service, "payload_extras", None), dict):
        service.payload_extras.setdefault("alert_id", letter["alert"])
        service.payload_extras.setdefault("occasion", letter["occasion"])


if __name__ == "__main__":
    main()
