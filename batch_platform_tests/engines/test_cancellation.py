"""Work asks whether it is still wanted; being cancelled is nobody's fault."""

from __future__ import annotations

import threading

import pytest

from batch_platform.engines.cancellation import cancelled_by, refuse_if_cancelled
from batch_platform.errors import Cancelled


def test_a_flag_decides_for_the_thread_in_which_it_was_set_and_only_there() -> None:
    flag = threading.Event()
    refuse_if_cancelled()
    with cancelled_by(flag):
        refuse_if_cancelled()
        flag.set()
        with pytest.raises(Cancelled):
            refuse_if_cancelled()
        other = threading.Thread(target=refuse_if_cancelled)
        other.start()
        other.join()
    refuse_if_cancelled()


def test_who_catches_errors_does_not_catch_a_cancellation() -> None:
    assert not issubclass(Cancelled, Exception)
