"""The two ways in which this program waits, both cut short by SIGINT and SIGTERM."""

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import Any, Generic, NamedTuple, TypeVar

from fini_gate.errors import CancelledError

_Result = TypeVar("_Result")


class _Task(NamedTuple, Generic[_Result]):
    function: Callable[[], _Result]
    future: Future[_Result]


class InterruptibleExecutor:
    """Sleeps, and waits for calls, in the main thread.

    A signal's handler only leaves a mark and wakes the wait: raised from within the handler, an exception could strike
    anywhere, in the midst of writing the outputs too.
    """

    def __init__(self) -> None:
        # A SimpleQueue may be put to from a signal's handler, in the very thread that waits on it; an Event may not.
        self._wakeups: SimpleQueue[None] = SimpleQueue()
        # Of threads that wait for their next call; one that never comes back from its last is not in here.
        self._idle: list[SimpleQueue[_Task[Any]]] = []
        self.signal_number: int | None = None

    def install_signal_handlers(self) -> None:
        """Install the handlers. Without them the first process of a container never hears a SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def sleep(self, seconds: float) -> None:
        """Sleep.

        Raises:
            CancelledError: a signal arrived, now or earlier.
        """
        self._wait_for(lambda: False, seconds)

    def submit(self, function: Callable[[], _Result]) -> Future[_Result]:
        """Call a function in a thread that has nothing else to do.

        No timeout of a socket bounds a name look-up or an answer that drips: a call for which nobody waits any more is
        left to itself, and ends with the process.
        """
        call = _Task(function, Future())
        try:
            idle = self._idle.pop()
        except IndexError:
            idle = SimpleQueue()
            Thread(target=self._work, args=(idle,), daemon=True).start()
        idle.put(call)
        return call.future

    def wait_any(self, calls: Sequence[Future[_Result]], seconds: float) -> Future[_Result]:
        """Wait for the first of some calls to end, no longer than `seconds`.

        Raises:
            TimeoutError: none ended in time.
            CancelledError: a signal arrived, now or earlier.
        """
        if not self._wait_for(lambda: any(call.done() for call in calls), seconds):
            raise TimeoutError
        return next(call for call in calls if call.done())

    def _work(self, calls: "SimpleQueue[_Task[Any]]") -> None:
        """Make calls, one after another. A thread for each would cost as much as a request itself."""
        while True:
            call = calls.get()
            try:
                call.future.set_result(call.function())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the caller waits
                call.future.set_exception(error)
            self._idle.append(calls)
            self._wakeups.put(None)
            del call  # an answer is not to be kept until the next one

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number = number
        self._wakeups.put(None)

    def _wait_for(self, is_due: Callable[[], bool], seconds: float) -> bool:
        """Whether it was due in time; what wakes this up may be left over from calls that took too long."""
        ends_at = time.monotonic() + seconds
        while True:
            if self.signal_number is not None:
                raise CancelledError(self.signal_number)
            if is_due():
                return True
            try:
                self._wakeups.get(timeout=max(0.0, ends_at - time.monotonic()))
            except Empty:
                return False
