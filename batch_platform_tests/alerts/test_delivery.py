"""Messages reach real receivers, and receivers that fail hold up nobody and learn no secrets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from batch_platform.alerts.addresses import Addresses
from batch_platform.alerts.delivery import TOO_LATE, deliver
from batch_platform.alerts.message import Message, Occasion
from batch_platform.alerts.routing import Route
from batch_platform.alerts.sending import UNREACHABLE, UNUSABLE, send
from batch_platform.alerts.severity import Severity
from batch_platform_tests.alerts.receivers import mail_server, webhook


def addresses(**urls: str) -> Addresses:
    return Addresses.of([Route(name.lower(), name) for name in urls], urls)


def message(address: str, occasion: Occasion = Occasion.OPENED, severity: Severity = Severity.PAGE) -> Message:
    return Message("k", "a1b2c3", address, occasion, severity, "page: late", "why *it* is\n_late_ & <so>")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_webhook_hears_what_is_wrong_and_which_alert_it_is() -> None:
    with webhook() as receiver:
        assert deliver([message("A")], addresses(A=f"json://{receiver.address}/x")) == [""]
    ((path, body),) = receiver.heard
    told = json.loads(body)
    assert path == "/x"
    assert (told["title"], told["message"]) == ("page: late", "why *it* is\n_late_ & <so>")
    assert (told["type"], told["alert_id"], told["occasion"]) == ("failure", "a1b2c3", "opened")


def test_a_form_hears_the_same() -> None:
    with webhook() as receiver:
        resolved = message("A", Occasion.RESOLVED)
        assert deliver([resolved], addresses(A=f"form://{receiver.address}/x")) == [""]
    told = parse_qs(receiver.heard[0][1].decode())
    assert (told["type"], told["alert_id"], told["occasion"]) == (["success"], ["a1b2c3"], ["resolved"])


def test_mail_arrives_with_its_subject() -> None:
    with mail_server(free_port()) as mailbox:
        url = f"mailto://127.0.0.1:{mailbox.port}?from=alerts@example.org&to=ops@example.org&mode=insecure&format=text"
        assert deliver([message("A")], addresses(A=url)) == [""]
    (mail,) = mailbox.mails
    assert mail["Subject"] == "page: late"
    assert "ops@example.org" in str(mail["To"])
    assert "why *it* is" in str(mail.get_payload(decode=True) or mail.get_payload())


def test_several_addresses_in_one_variable_all_hear_of_it() -> None:
    with webhook() as receiver:
        found = addresses(A=f"json://{receiver.address}/x, form://{receiver.address}/y?a=1,2")
        assert deliver([message("A"), message("A/2")], found) == ["", ""]
    assert sorted(path for path, _ in receiver.heard) == ["/x", "/y"]


def test_one_that_is_down_fails_and_the_other_hears_of_it() -> None:
    with webhook() as receiver:
        found = addresses(DOWN=f"json://127.0.0.1:{free_port()}", UP=f"json://{receiver.address}")
        assert deliver([message("DOWN"), message("DOWN"), message("UP")], found) == [UNREACHABLE, None, ""]


def test_one_that_answers_with_an_error_is_told_by_its_status_and_later_tried_again() -> None:
    with webhook(500, 500) as receiver:
        found = addresses(A=f"json://{receiver.address}")
        assert deliver([message("A"), message("A")], found) == ["answered 500", None]
        assert deliver([message("A")], found) == ["answered 500"]
        assert deliver([message("A")], found) == [""]
    assert len(receiver.heard) == 3


def test_a_redirection_is_a_failure_since_nobody_would_read_what_it_leads_to() -> None:
    with webhook(301) as receiver:
        assert deliver([message("A")], addresses(A=f"json://{receiver.address}")) == ["answered 301"]


@pytest.mark.slow
@pytest.mark.parametrize("path", ["silent", "drip"])
def test_one_that_hangs_holds_up_nobody(path: str) -> None:
    with webhook() as receiver:
        found = addresses(HANGS=f"json://{receiver.address}/{path}?rto=60", UP=f"json://{receiver.address}/x")
        began = time.monotonic()
        told = deliver([message("HANGS"), message("HANGS"), message("UP")], found, seconds=8)
        assert time.monotonic() - began < 30
    assert told == [TOO_LATE, None, ""]


def test_an_address_that_means_nothing_or_is_not_set_is_told_by_its_name() -> None:
    found = addresses(WRONG="hunter2", EMPTY="")
    assert deliver([message("WRONG"), message("EMPTY"), message("EMPTY")], found) == [
        UNUSABLE,
        "the environment variable EMPTY is not set",
        None,
    ]


@pytest.mark.parametrize(
    "url",
    [
        "pagerduty://hunter2",
        "slack://hunter2/x/y",
        "json://ops:hunter2@127.0.0.1:9/hunter2?+X-Token=hunter2",
        "mailto://ops:hunter2@127.0.0.1:9?to=a@example.org",
    ],
)
def test_no_secret_of_an_address_is_told_whatever_fails(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    found = addresses(A=url)
    told = deliver([message("A")], found)
    assert told[0]
    seen = capfd.readouterr()
    assert "hunter2" not in f"{told}{found!r}{seen.out}{seen.err}"


def test_an_address_is_not_among_the_arguments_of_the_process(tmp_path: Path) -> None:
    with webhook() as receiver:
        found = addresses(A=f"json://{receiver.address}/silent?rto=60&+X-Token=hunter2")
        parent = subprocess.Popen(
            [sys.executable, "-c", _DELIVER, json.dumps({"A": found.urls["A"]})], stdout=subprocess.PIPE, text=True
        )
        with parent:
            last = time.monotonic() + 60
            while not receiver.heard:
                assert time.monotonic() < last
                time.sleep(0.05)
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            lines = [Path(f"/proc/{child}/cmdline").read_bytes() for child in children]
            assert lines
            assert all(b"hunter2" not in line for line in lines)
            parent.kill()


_DELIVER = """
import json, sys
from batch_platform_tests.alerts.test_delivery import addresses, deliver, message
deliver([message("A")], addresses(**json.loads(sys.argv[1])), seconds=30)
"""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("pagerduty://integration@key", {"dedup": "a1b2c3", "action": "map"}),
        ("pagerduty://integration@key?dedup=own&action=trigger", {"dedup": "own", "action": "trigger"}),
        ("opsgenie://2f6c8e70-0b3c-4f5a-9f5e-0a6d8f3b1c2d", {"alias": "a1b2c3", "action": "map"}),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops", {"overflow_mode": "truncate"}),
    ],
)
def test_receivers_that_know_incidents_keep_an_alert_as_one(url: str, expected: dict[str, str]) -> None:
    import apprise

    from batch_platform.alerts.sending import _name_the_alert

    service = apprise.Apprise.instantiate(url)
    assert service is not None
    _name_the_alert(service, {"url": url, "alert": "a1b2c3", "occasion": "opened"})
    assert {name: getattr(service, name) for name in expected} == expected


def letter(url: str, occasion: Occasion) -> dict[str, str]:
    return {
        "url": url,
        "occasion": occasion,
        "severity": "page",
        "title": f"{occasion}: late",
        "body": "why",
        "alert": "a1b2c3",
    }


def test_pagerduty_closes_the_incident_that_it_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins import pagerduty

    with webhook() as receiver:
        monkeypatch.setitem(pagerduty.PAGERDUTY_API_LOOKUP, "us", f"http://{receiver.address}/v2/enqueue")
        for occasion in (Occasion.OPENED, Occasion.RESOLVED):
            assert send(letter("pagerduty://integration@key", occasion), None) == ""
    told = [json.loads(body) for _, body in receiver.heard]
    assert [(one["event_action"], one["dedup_key"]) for one in told] == [("trigger", "a1b2c3"), ("resolve", "a1b2c3")]
    assert told[0]["payload"]["severity"] == "critical"


def test_opsgenie_closes_the_alert_that_an_earlier_process_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from apprise.plugins import opsgenie

    url = "opsgenie://2f6c8e70-0b3c-4f5a-9f5e-0a6d8f3b1c2d"
    with webhook() as receiver:
        receiver.says = b'{"requestId": "r1"}'
        monkeypatch.setitem(opsgenie.OPSGENIE_API_LOOKUP, "us", f"http://{receiver.address}/v2/alerts")
        for occasion in (Occasion.OPENED, Occasion.RESOLVED):
            assert send(letter(url, occasion), str(tmp_path)) == ""
    assert [path.partition("?")[0] for path, _ in receiver.heard] == ["/v2/alerts", "/v2/alerts/r1/close"]
    assert json.loads(receiver.heard[0][1])["alias"] == "a1b2c3"


def test_nobody_imports_apprise_who_does_not_send() -> None:
    code = "import sys; import batch_platform.automation.alerting; print('apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "False", done.stderr
