import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Final

import pytest

from fini_gate.errors import CancelledError
from fini_gate.executor import InterruptibleExecutor

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# Longer than any test may take: such a wait ends early or fails the test.
FOREVER: Final = 50.0


@pytest.fixture
def executor() -> Iterator[InterruptibleExecutor]:
    """Make an executor that handles signals, and restore the handlers afterwards."""
    handlers = [signal.getsignal(number) for number in SIGNALS]
    executor = InterruptibleExecutor()
    executor.sleep(0)
    assert [signal.getsignal(number) for number in SIGNALS] == handlers  # installed only on request
    executor.install_signal_handlers()
    yield executor
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Give an event for functions to wait for, set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("seconds", [0.05, 0.0, -1.0])
def test_wait__lasts_as_long_as_asked(executor: InterruptibleExecutor, end: threading.Event, seconds: float) -> None:
    """A sleep, and a wait for a function that hangs, are not shorter; a negative time is none."""
    for wait in (executor.sleep, lambda seconds: executor.wait_any([executor.submit(end.wait)], seconds)):
        started_at = time.monotonic()
        assert not wait(seconds)
        assert time.monotonic() - started_at >= seconds


@pytest.mark.parametrize("outcome", ["value", None, ValueError(), TimeoutError(), SystemExit(3), KeyboardInterrupt()])
def test_submit__gives_the_outcome(executor: InterruptibleExecutor, outcome: object) -> None:
    """Neither a value that is false nor an exception of any kind is lost in the thread."""

    def run() -> object:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    future = executor.submit(run)
    assert executor.wait_any([future], FOREVER)
    assert (future.exception() or future.result()) is outcome


def test_submit__uses_idle_daemon_threads(executor: InterruptibleExecutor, end: threading.Event) -> None:
    """Functions share a thread, unless it hangs; no thread keeps the process from ending."""

    def run_in_thread() -> threading.Thread:
        future = executor.submit(threading.current_thread)
        assert executor.wait_any([future], FOREVER)
        return future.result()

    thread = run_in_thread()
    assert thread is not threading.main_thread()
    assert thread.daemon
    assert run_in_thread() is thread
    executor.submit(end.wait)
    assert run_in_thread() is not thread


def test_wait__ends_with_one_of_its_own_functions(executor: InterruptibleExecutor, end: threading.Event) -> None:
    """Neither a slower function nor the late end of an abandoned one makes a difference."""
    abandoned, hanging = executor.submit(end.wait), executor.submit(threading.Event().wait)
    quick = executor.submit(lambda: True)
    assert executor.wait_any([abandoned, quick], FOREVER)
    assert (abandoned.done(), quick.done()) == (False, True)
    end.set()
    abandoned.result()
    started_at = time.monotonic()
    executor.sleep(0.1)
    assert not executor.wait_any([hanging], 0.1)
    assert time.monotonic() - started_at >= 0.2


def test_signal__outside_of_a_wait_only_sets_a_flag(executor: InterruptibleExecutor) -> None:
    """It interrupts nothing, so outputs are written whole; the first signal decides, and ends every later wait."""
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert executor.signal_number == signal.SIGTERM
    for seconds in (FOREVER, 0.0):
        with pytest.raises(CancelledError):
            executor.sleep(seconds)
        with pytest.raises(CancelledError):
            executor.wait_any([executor.submit(lambda: None)], seconds)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("is_sleep", [True, False])
def test_signal__ends_a_wait(
    executor: InterruptibleExecutor, end: threading.Event, number: signal.Signals, exit_code: int, *, is_sleep: bool
) -> None:
    """The error has the signal's name and exit code."""
    sender = threading.Timer(0.1, os.kill, (os.getpid(), number))
    sender.start()
    with pytest.raises(CancelledError, match=number.name) as error:
        executor.sleep(FOREVER) if is_sleep else executor.wait_any([executor.submit(end.wait)], FOREVER)
    sender.join()
    assert error.value.exit_code == exit_code


def test_call__waits_for_the_result(executor: InterruptibleExecutor, end: threading.Event) -> None:
    """However long the function takes, its result is returned, or its error raised."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fini_gate.executor._LONG_SECONDS", 0.001)
        assert executor.call(lambda: end.wait(0.01)) is False
    with pytest.raises(ValueError, match="wrong"):
        executor.call(lambda: int("wrong"))


def test_call__ends_on_a_signal(executor: InterruptibleExecutor, end: threading.Event) -> None:
    """A function that waits for input that never comes does not keep the gate."""
    threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(CancelledError):
        executor.call(end.wait)


def test_signal__ends_a_process_that_cannot_end_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some time after a signal the process ends, even if it hangs, as on a full pipe that nobody reads."""
    ended = threading.Event()
    codes = list[int]()

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    handlers = [signal.getsignal(number) for number in SIGNALS]
    InterruptibleExecutor().install_signal_handlers(end_seconds=0.01)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.raise_signal(number)
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)
    assert ended.wait(10)
    assert codes == [143]
