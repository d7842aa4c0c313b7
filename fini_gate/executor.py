"""Run functions in threads, and wait for them or sleep until SIGINT or SIGTERM arrives."""

import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import Any, Final, Generic, NamedTuple, TypeVar

from fini_gate.errors import CancelledError

_Result = TypeVar("_Result")

# Shorter than the longest wait that the operating system allows.
_LONG_SECONDS: Final = 1e6


class _Task(NamedTuple, Generic[_Result]):
    function: Callable[[], _Result]
    future: Future[_Result]


class InterruptibleExecutor:
    """Runs functions in the background, and waits in the main thread.

    The signal handler only sets a flag and wakes the wait. An exception raised by the handler itself could strike
    anywhere, even while outputs are being written.
    """

    def __init__(self) -> None:
        # Unlike an Event, a SimpleQueue may be used by a signal handler in the thread that waits on it.
        self._wakeups: SimpleQueue[None] = SimpleQueue()
        # Queues of the threads that wait for work. A hung thread has no queue here.
        self._idle: list[SimpleQueue[_Task[Any]]] = []
        self.signal_number: int | None = None

    def install_signal_handlers(self) -> None:
        """Handle SIGINT and SIGTERM. Without a handler, a container's first process ignores SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def sleep(self, seconds: float) -> None:
        """Sleep.

        Raises:
            CancelledError: a signal arrived, now or earlier.
        """
        self._wait_for(lambda: False, seconds)

    def submit(self, function: Callable[[], _Result]) -> Future[_Result]:
        """Run a function in an idle thread, or in a new one.

        Socket timeouts bound neither a DNS lookup nor a slow response. An abandoned call ends with the process.
        """
        task = _Task(function, Future())
        try:
            idle = self._idle.pop()
        except IndexError:
            idle = SimpleQueue()
            Thread(target=self._work, args=(idle,), daemon=True).start()
        idle.put(task)
        return task.future

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Call a function that may wait for long, such as for input, and return its result.

        Raises:
            CancelledError: a signal arrived, now or earlier.
        """
        future = self.submit(function)
        while not self.wait_any([future], _LONG_SECONDS):
            pass
        return future.result()

    def wait_any(self, futures: Sequence[Future[Any]], timeout_seconds: float) -> bool:
        """Wait until one of the futures is done, and return whether that was in time.

        Raises:
            CancelledError: a signal arrived, now or earlier.
        """
        return self._wait_for(lambda: any(future.done() for future in futures), timeout_seconds)

    def _work(self, tasks: "SimpleQueue[_Task[Any]]") -> None:
        """Run tasks one after another: a new thread for each would cost as much as a request."""
        while True:
            task = tasks.get()
            try:
                task.future.set_result(task.function())
            except BaseException as error:  # noqa: BLE001 - the future raises it where its result is read
                task.future.set_exception(error)
            self._idle.append(tasks)
            self._wakeups.put(None)
            del task  # its response would stay in memory until the next one

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is None:
            self.signal_number = number
        self._wakeups.put(None)

    def _wait_for(self, is_done: Callable[[], bool], timeout_seconds: float) -> bool:
        """Return whether it was done in time. Calls that were abandoned cause spurious wake-ups."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            if self.signal_number is not None:
                raise CancelledError(self.signal_number)
            if is_done():
                return True
            try:
                self._wakeups.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return False
