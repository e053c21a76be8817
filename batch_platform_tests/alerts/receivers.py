"""Receivers on this machine: one that speaks HTTP and one that takes mail, as well or as badly as a test wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Webhook:
    """An HTTP receiver.

    Args:
        address: `127.0.0.1:port`.
        answers: the status of each next answer; 200 when there is none left.
        heard: path and body of each request that was read.
        says: the body of each answer.
    """

    address: str
    answers: list[int] = field(default_factory=list)
    heard: list[tuple[str, bytes]] = field(default_factory=list)
    says: bytes = b""
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def webhook(*answers: int) -> Iterator[Webhook]:
    """One that answers. The path `/silent` never gets an answer, `/drip` one that never ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.heard.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            if self.path.startswith("/silent"):
                receiver.ended.wait(60)
                return
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.end_headers()
            self.wfile.write(receiver.says)
            while self.path.startswith("/drip") and not receiver.ended.is_set():
                try:
                    self.wfile.write(b".")
                    time.sleep(0.2)
                except OSError:
                    return

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever was sending was ended."""

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Webhook(f"127.0.0.1:{server.server_port}", list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Mailbox:
    """A mail server and what it has taken."""

    port: int = 0
    mails: list[Mail] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail."""
        self.mails.append(message_from_bytes(bytes(envelope.content or b"")))
        return "250 OK"


@contextmanager
def mail_server(port: int) -> Iterator[Mailbox]:
    """A mail server on this port."""
    mailbox = Mailbox(port)
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
