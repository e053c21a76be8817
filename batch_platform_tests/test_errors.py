"""What an error says, and which errors may pass when the same is tried again."""

from __future__ import annotations

import errno
import http.client
import multiprocessing
import pickle
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import requests
import sqlalchemy
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from batch_platform.errors import (
    BatchPlatformError,
    Cancelled,
    ConfigurationError,
    EngineError,
    LakeError,
    SourceError,
    UnexpectedError,
    chain,
    ends_the_run,
    first_line,
    foreseen,
    is_transient,
)

# A process of its own: delta-rs may hold the interpreter's lock while it waits for an answer.
_SERVER = """
import http.server, sys
class Refusing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[1]))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"no")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture
def refusing(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that answers everything with one status."""
    server = subprocess.Popen([sys.executable, "-c", _SERVER, str(request.param)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.fixture
def closed() -> str:
    """An address at which nobody listens."""
    with closing(socket.socket()) as place:
        place.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{place.getsockname()[1]}"


def error_of(work: object, *arguments: object) -> BaseException:
    with pytest.raises(BaseException) as caught:
        work(*arguments)  # type: ignore[operator]
    return caught.value


def open_table(endpoint: str) -> DeltaTable:
    options = {"endpoint": endpoint, "allow_http": "true", "region": "us-east-1", "max_retries": "0"}
    options |= {"access_key_id": "access", "secret_access_key": "open sesame"}
    return DeltaTable("s3://bucket/table", storage_options=options)


def fetch(address: str) -> None:
    requests.get(address, timeout=5).raise_for_status()


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        (errno.ECONNRESET, True),
        (errno.ETIMEDOUT, True),
        (errno.EAGAIN, True),
        (errno.EBUSY, True),
        (errno.ESTALE, True),
        (errno.EIO, True),
        (errno.ENOSPC, False),
        (errno.EDQUOT, False),
        (errno.EACCES, False),
        (errno.ENOENT, False),
        (errno.EROFS, False),
        (errno.EMFILE, False),
    ],
)
def test_the_operating_systems_code_tells(code: int, transient: bool) -> None:
    assert is_transient(OSError(code, "what it is called")) is transient


@pytest.mark.parametrize(
    ("refusing", "transient"),
    [(429, True), (500, True), (503, True), (403, False), (501, False)],
    indirect=["refusing"],
)
def test_the_status_of_a_server_tells_whoever_asked(refusing: str, transient: bool) -> None:
    assert is_transient(error_of(fetch, refusing)) is transient
    assert is_transient(error_of(urllib.request.urlopen, refusing)) is transient
    if transient or "40" in str(error_of(fetch, refusing)):
        assert is_transient(error_of(open_table, refusing)) is transient


def test_a_server_that_is_away_may_come_back(closed: str) -> None:
    for work in (fetch, urllib.request.urlopen, open_table):
        assert is_transient(error_of(work, closed))
    assert is_transient(error_of(sqlalchemy.create_engine(f"sqlite:///{closed}").connect)) is False


def test_a_locked_database_may_be_let_go_and_a_wrong_statement_stays_wrong(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/x.db", connect_args={"timeout": 0})
    with closing(sqlite3.connect(tmp_path / "x.db")) as other:
        other.execute("create table t (a int)")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select * from t"))
            connection.rollback()
    with closing(sqlite3.connect(tmp_path / "x.db")) as other, engine.connect() as connection:
        other.execute("begin exclusive")
        assert is_transient(error_of(connection.execute, sqlalchemy.text("insert into t values (1)")))
        other.rollback()
        assert not is_transient(error_of(connection.execute, sqlalchemy.text("insert into gone values (1)")))
        assert not is_transient(error_of(connection.execute, sqlalchemy.text("insert into")))
    engine.dispose()


class _Driver(Exception):
    """What a database driver raises, with its server's code."""

    def __init__(self, text: str, sqlstate: str | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("original", "transient"),
    [
        (_Driver("server closed the connection unexpectedly"), True),
        (_Driver("deadlock detected", "40P01"), True),
        (_Driver("terminating connection due to administrator command", "57P01"), True),
        (_Driver("could not extend file", "53100"), False),
        (_Driver("password authentication failed for user"), False),
        (_Driver("duplicate key", "23505"), False),
        (Exception(1213, "Deadlock found"), True),
        (Exception(1045, "Access denied"), False),
    ],
)
def test_the_code_of_a_database_server_tells(original: Exception, transient: bool) -> None:
    assert is_transient(sqlalchemy.exc.OperationalError("select 1", {}, original)) is transient


def test_a_connection_that_a_database_dropped_may_be_made_again() -> None:
    error = sqlalchemy.exc.DatabaseError("select 1", {}, _Driver("?", "XX000"), connection_invalidated=True)
    assert is_transient(error)


def _library_error(module: str, name: str, *bases: str) -> BaseException:
    """An error of a library that need not be installed."""
    kind: type = Exception
    for each in (*reversed(bases), name):
        kind = type(each, (kind,), {"__module__": module})
    error: BaseException = kind("what happened")
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (_library_error("redis.exceptions", "ConnectionError"), True),
        (_library_error("redis.exceptions", "TimeoutError"), True),
        (_library_error("redis.exceptions", "AuthenticationError", "ConnectionError"), False),
        (_library_error("redis.exceptions", "ResponseError"), False),
        (requests.ConnectionError("aborted"), True),
        (requests.exceptions.SSLError("certificate verify failed"), False),
        (requests.Timeout("slow"), True),
        (http.client.IncompleteRead(b""), True),
        (urllib.error.URLError(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), True),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), True),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), False),
        (TimeoutError(), True),
        (multiprocessing.ProcessError("what"), False),
        (MemoryError(), False),
        (KeyError("timed out"), False),
        (pa.ArrowInvalid("could not convert 'connection reset' to int64"), False),
        (OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 28, Timeout was reached"), True),
        (OSError("AWS Error SLOW_DOWN during PutObject operation: Please reduce your request rate"), True),
        (OSError("AWS Error ACCESS_DENIED during PutObject operation: Access Denied"), False),
        (OSError("Couldn't deserialize thrift: don't know what type"), False),
        (CommitFailedError("Generic S3 error: HTTP error: error sending request"), True),
        (TableNotFoundError("no log files, operation timed out"), False),
        (duckdb.IOException("IO Error: connection reset by peer"), True),
        (duckdb.ConversionException("Could not convert string 'timed out' to INT32"), False),
    ],
)
def test_a_librarys_error_tells_by_class_or_in_words(error: BaseException, transient: bool) -> None:
    assert is_transient(error) is transient


def test_what_mlflow_says_of_its_server_tells() -> None:
    exceptions = pytest.importorskip("mlflow.exceptions")
    for code, transient in (("TEMPORARILY_UNAVAILABLE", True), ("RESOURCE_DOES_NOT_EXIST", False)):
        assert is_transient(exceptions.RestException({"error_code": code, "message": "no"})) is transient


def test_the_outermost_error_that_tells_decides() -> None:
    def chained(*errors: BaseException) -> BaseException:
        for outer, inner in pairwise(errors):
            outer.__cause__ = inner
        return errors[0]

    reset, full = ConnectionResetError(errno.ECONNRESET, "reset"), OSError(errno.ENOSPC, "full")
    assert is_transient(chained(LakeError("cannot be read"), RuntimeError("?"), reset))
    assert not is_transient(chained(LakeError("cannot be written"), full))
    assert is_transient(chained(LakeError("others won", transient=True), full))
    assert not is_transient(chained(KeyError("a mistake of our own"), reset))


def test_what_was_hidden_on_purpose_does_not_tell() -> None:
    def raising() -> None:
        try:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        except OSError:
            raise SourceError("is not what it should be") from None

    assert not is_transient(error_of(raising))


def test_a_circle_of_causes_has_an_end() -> None:
    first, second = RuntimeError("one"), RuntimeError("two")
    first.__cause__, second.__cause__ = second, first
    assert list(chain(first)) == [first, second]
    assert not is_transient(first)


def test_an_unforeseen_error_that_may_pass_ends_the_run() -> None:
    passing, lasting = foreseen(ConnectionResetError("reset"), "a"), foreseen(ZeroDivisionError("by zero"), "a")
    assert isinstance(passing, UnexpectedError) and is_transient(passing) and ends_the_run(passing)
    assert not is_transient(lasting) and not ends_the_run(lasting)


def test_errors_keep_their_parts_on_the_way_between_processes() -> None:
    for error in (LakeError("is full", where="disk", fix="free it", transient=True), ConfigurationError("wrong")):
        copied = pickle.loads(pickle.dumps(error))
        assert (type(copied), str(copied), vars(copied)) == (type(error), str(error), vars(error))


def test_a_cancellation_is_no_error() -> None:
    assert not issubclass(Cancelled, Exception) and not is_transient(Cancelled("enough"))


def test_the_exit_code_of_an_engine_is_its_own() -> None:
    others = [kind.exit_code for kind in BatchPlatformError.__subclasses__() if kind is not EngineError]
    assert EngineError.exit_code not in [*others, 8]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("no route to https://me:secret@host/lake/a.parquet", "no route to https://***@host/lake/a.parquet"),
        ("403 for 'https://x.blob.core/lake/a?sv=1&sig=secret'", "403 for 'https://x.blob.core/lake/a?***'"),
        ("postgresql+psycopg://u:secret@db/x is down", "postgresql+psycopg://***@db/x is down"),
        ("is it a file? me@host asks", "is it a file? me@host asks"),
    ],
)
def test_what_authorises_in_an_address_is_left_out_of_foreign_texts(said: str, told: str) -> None:
    assert first_line(RuntimeError(said + "\nmore")) == told
