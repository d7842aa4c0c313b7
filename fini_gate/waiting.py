"""The two ways in which this program waits, both cut short by SIGINT and SIGTERM."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import TypeVar

from fini_gate.errors import CancelledError

_Result = TypeVar("_Result")


class Waiter:
    """Sleeps, and waits for calls, in the main thread.

    A signal's handler only leaves a mark and wakes the wait: raised from within the handler, an exception could strike
    anywhere, in the midst of writing the outputs too.
    """

    def __init__(self) -> None:
        # A SimpleQueue may be put to from a signal's handler, in the very thread that waits on it; an Event may not.
        self._wakeups: SimpleQueue[object] = SimpleQueue()
        self.signal_number: int | None = None

    def listen(self) -> None:
        """Install the handlers. Without them the first process of a container never hears a SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def ignore(self) -> None:
        """Take no more notice of signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def sleep(self, seconds: float) -> None:
        """Sleep.

        Raises:
            CancelledError: a signal arrived, now or earlier.
        """
        self._wait_for(None, seconds)

    def call(self, function: Callable[[], _Result], seconds: float) -> _Result:
        """Call a function in a thread of its own, and wait for it no longer than `seconds`.

        No timeout of a socket bounds a name look-up or an answer that drips: past the limit the thread is left to
        itself, and ends with the process.

        Raises:
            TimeoutError: it took longer.
            CancelledError: a signal arrived, now or earlier.
        """
        future: Future[_Result] = Future()

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the caller waits
                future.set_exception(error)
            self._wakeups.put(future)

        Thread(target=work, daemon=True).start()
        if not self._wait_for(future, seconds):
            raise TimeoutError
        return future.result()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number = number
        self._wakeups.put(self)

    def _wait_for(self, wakeup: object, seconds: float) -> bool:
        """Whether the wakeup came in time. Others are left over from calls that took too long."""
        ends_at = time.monotonic() + seconds
        while True:
            if self.signal_number is not None:
                raise CancelledError(self.signal_number)
            try:
                if self._wakeups.get(timeout=max(0.0, ends_at - time.monotonic())) is wakeup:
                    return True
            except Empty:
                return False
