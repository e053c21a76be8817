"""Whether an error of a library or of the operating system may pass by itself: the one place that knows their kinds.

Belongs here: what single foreign errors mean, by type, code and, where nothing else tells, text. Does not belong here:
our own errors and the chains in which errors come (`errors.py`). No library is imported: an error's class tells by
its name which library it comes from.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Mapping

_PASSING_CODES = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        # A failing disk gives it, too, and then gives it again; a network mount gives it while its server is away.
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOLCK,
        errno.EPIPE,
        errno.ESHUTDOWN,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)

_LASTING_STATUSES = frozenset({501, 505, 507, 508, 511})
"""Not implemented, version, storage full, loop, login needed: a server's errors that waiting does not mend."""

_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    UnicodeError,
)
"""Mistakes in code or data, and too little memory: the same again the next time."""

_BY_CLASS: Mapping[str, Mapping[str, bool]] = {
    "redis": {
        "AuthenticationError": False,
        "AuthorizationError": False,
        "BusyLoadingError": True,
        "ConnectionError": True,
        "TimeoutError": True,
        "TryAgainError": True,
        "ReadOnlyError": True,  # during a failover
    },
    "requests": {
        "InvalidURL": False,
        "SSLError": False,
        "Timeout": True,
        "ConnectionError": True,
        "ChunkedEncodingError": True,
    },
    "urllib3": {
        "SSLError": False,
        "TimeoutError": True,
        "NewConnectionError": True,
        "ProtocolError": True,
        "IncompleteRead": True,
    },
    "http": {"IncompleteRead": True, "BadStatusLine": True},
    "botocore": {
        "EndpointConnectionError": True,
        "ConnectTimeoutError": True,
        "ReadTimeoutError": True,
        "ConnectionClosedError": True,
    },
    "sqlalchemy": {"TimeoutError": True, "DisconnectionError": True},
    "_internal": {"TableNotFoundError": False, "SchemaMismatchError": False, "DeltaProtocolError": False},
    "pyarrow": {"ArrowInvalid": False, "ArrowTypeError": False, "ArrowNotImplementedError": False},
}
"""Package -> class -> whether it may pass; the nearest class of an error's ancestry that is named decides."""

_TEXT_TELLS = frozenset({("_internal", "DeltaError"), ("_internal", "CommitFailedError"), ("_duckdb", "IOException")})
"""Classes of delta-rs and DuckDB whose errors say in words only what went wrong beyond them."""

_PASSING_SQLSTATES = re.compile(r"08|40|57P0|55P03|53(?!100)")
"""Connection, serialization and deadlock, shutdown, lock not available, resources other than the disk."""

_PASSING_MYSQL = frozenset({1040, 1205, 1213, 2002, 2003, 2006, 2013, 2055})
_SQLITE_BUSY, _SQLITE_LOCKED, _SQLITE_PROTOCOL = 5, 6, 15

_ORNAMENT = re.compile(r"(?:\x1b\[[\d;]*m|[\s\u21b3])+")
_STATUS_TEXT = re.compile(r"\b(?:status|code|http|error)\W{1,3}([45]\d\d)\b", re.I)
_LASTING_TEXT = re.compile(
    r"no space left|disk (quota|is full)|permission denied|access ?denied|forbidden|privileges"
    r"|no such (file|table|column|bucket)|not found|does ?n[o']t exist|authentication|invalid credential|signature"
    r"|syntax error|corrupt|malformed|read-?only|unable to open|certificate",
    re.I,
)
_PASSING_TEXT = re.compile(
    r"timed out|timeout was reached|request_timeout|network_connection|curlcode: (7|28|35|52|56)"
    r"|connection (reset|refused|closed|aborted|error|was reset)|server closed the connection|broken pipe"
    r"|error sending request|error reading a body|error decoding response body|request or response body error"
    r"|temporarily unavailable|temporary failure|try again|slow[_ ]?down|too many requests|throttl"
    r"|service[_ ]?unavailable|internal[_ ]?(failure|error)|bad gateway|(database|table) is locked|stale file handle",
    re.I,
)
"""How delta-rs, Arrow's S3 client and DuckDB word what may pass; where they give a status, that goes first."""


def may_pass(error: BaseException) -> bool | None:
    """Whether an error may be gone when the same is tried again; None if the error alone does not tell."""
    for verdict in (_by_class(error), _by_status(error), _by_database(error), _by_system(error)):
        if verdict is not None:
            return verdict
    return False if isinstance(error, _FAULTS) else _by_text(error)


def _by_class(error: BaseException) -> bool | None:
    for ancestor in type(error).__mro__:
        known = _BY_CLASS.get(_package(ancestor), {})
        if ancestor.__name__ in known:
            return known[ancestor.__name__]
    return None


def _by_status(error: BaseException) -> bool | None:
    """By the HTTP status that an error carries, as those of urllib, requests, botocore and MLflow do."""
    response = getattr(error, "response", None)
    found = getattr(response, "status_code", None)
    if isinstance(response, Mapping):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if found is None and _package(type(error)) == "urllib":
        found = getattr(error, "code", None)
    if found is None and _package(type(error)) == "mlflow" and hasattr(error, "get_http_status_code"):
        # MLflow gives a status to its own refusals, too; the default of an unknown one says nothing.
        found = error.get_http_status_code()
        return None if found == 500 else _status(found)
    return _status(found) if isinstance(found, int) else None


def _status(status: int) -> bool:
    return status in (408, 425, 429) or (500 <= status < 600 and status not in _LASTING_STATUSES)


def _by_database(error: BaseException) -> bool | None:
    """By the code that a database's driver gives, bare or as what SQLAlchemy wraps around it."""
    names = {ancestor.__name__ for ancestor in type(error).__mro__ if _package(ancestor) != "_duckdb"}
    if "DBAPIError" in names and getattr(error, "connection_invalidated", False):
        return True
    if not names & {"OperationalError", "InterfaceError", "InternalError", "DatabaseError"}:
        return None
    source = getattr(error, "orig", None) or error
    sqlite = getattr(source, "sqlite_errorcode", None)
    if isinstance(sqlite, int):
        return sqlite & 0xFF in (_SQLITE_BUSY, _SQLITE_LOCKED, _SQLITE_PROTOCOL)
    state = getattr(source, "sqlstate", None) or getattr(source, "pgcode", None)
    if isinstance(state, str):
        return _PASSING_SQLSTATES.match(state) is not None
    if source.args and isinstance(source.args[0], int):
        return source.args[0] in _PASSING_MYSQL
    # Without a code: what an operation met that is no fault of the statement is mostly a connection that failed.
    return "OperationalError" in names and not _LASTING_TEXT.search(str(source))


def _by_system(error: BaseException) -> bool | None:
    """By the operating system's code."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    if isinstance(error, ConnectionError | TimeoutError | InterruptedError):
        return True
    if isinstance(
        error, FileNotFoundError | PermissionError | FileExistsError | IsADirectoryError | NotADirectoryError
    ):
        return False
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _PASSING_CODES
    # urllib keeps what it met as an attribute only.
    reason = getattr(error, "reason", None)
    return may_pass(reason) if isinstance(error, OSError) and isinstance(reason, BaseException) else None


def _by_text(error: BaseException) -> bool | None:
    tells = {(_package(ancestor), ancestor.__name__) for ancestor in type(error).__mro__} & _TEXT_TELLS
    if not tells and not isinstance(error, OSError):
        return None
    text = _ORNAMENT.sub(" ", str(error))
    status = _STATUS_TEXT.search(text)
    if status:
        return _status(int(status[1]))
    if _LASTING_TEXT.search(text):
        return False
    return True if _PASSING_TEXT.search(text) else None


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
