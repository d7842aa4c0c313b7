import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from fini_gate.errors import CancelledError
from fini_gate.executor import InterruptibleExecutor

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Result = TypeVar("_Result")

# Longer than any test may take: a wait of so long that ends has been cut short.
FOREVER = 50.0


@pytest.fixture
def executor() -> Iterator[InterruptibleExecutor]:
    """A waiter that listens to signals; the handlers are put back afterwards."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    executor = InterruptibleExecutor()
    executor.install_signal_handlers()
    try:
        yield executor
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def hanging() -> Iterator[Callable[[], bool]]:
    """A function that returns only when the test ends."""
    over = threading.Event()
    yield over.wait
    over.set()


def _call(executor: InterruptibleExecutor, function: Callable[[], _Result], seconds: float) -> _Result:
    """Call a function, and wait for it no longer than so many seconds."""
    return executor.wait_any([executor.submit(function)], seconds).result()


def _signal_soon(number: int) -> threading.Thread:
    """Send this process a signal in a moment, from without the main thread."""
    thread = threading.Timer(0.1, os.kill, (os.getpid(), number))
    thread.start()
    return thread


@pytest.mark.parametrize("seconds", [0.05, 0.0, -1.0])
def test_sleep__lasts_as_long_as_asked(executor: InterruptibleExecutor, seconds: float) -> None:
    """A sleep is no shorter than asked for; one of no time, or less, returns."""
    began_at = time.monotonic()
    executor.sleep(seconds)
    assert time.monotonic() - began_at >= seconds


def test_call__returns_what_the_function_returns(executor: InterruptibleExecutor) -> None:
    """The value comes through, even one that is false."""
    assert _call(executor, lambda: "value", FOREVER) == "value"
    assert _call(executor, lambda: None, FOREVER) is None


def test_call__works_in_a_thread_that_keeps_nothing_alive(executor: InterruptibleExecutor) -> None:
    """The function runs in a thread that does not keep the process from ending."""
    thread = _call(executor, threading.current_thread, FOREVER)
    assert thread is not threading.main_thread()
    assert thread.daemon


@pytest.mark.parametrize("error", [ValueError("mine"), TimeoutError("mine"), SystemExit(3), KeyboardInterrupt()])
def test_call__raises_what_the_function_raises(executor: InterruptibleExecutor, error: BaseException) -> None:
    """An exception of any kind is raised where the caller waits, and not lost in the thread."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        _call(executor, fail, FOREVER)
    assert caught.value is error


@pytest.mark.parametrize("seconds", [0.05, 0.0, -1.0])
def test_call__is_given_up_when_it_takes_too_long(
    executor: InterruptibleExecutor, hanging: Callable[[], bool], seconds: float
) -> None:
    """A call that does not return in time ends as a timeout, no sooner than its limit."""
    began_at = time.monotonic()
    with pytest.raises(TimeoutError):
        _call(executor, hanging, seconds)
    assert time.monotonic() - began_at >= seconds


def _abandoned(executor: InterruptibleExecutor) -> Callable[[], None]:
    """Abandon a call, and return what lets it end after all, and waits until it has."""
    over = threading.Event()
    call = executor.submit(over.wait)
    with pytest.raises(TimeoutError):
        executor.wait_any([call], 0.05)

    def end() -> None:
        over.set()
        call.result()

    return end


def test_call__is_not_answered_by_an_earlier_one(executor: InterruptibleExecutor) -> None:
    """What an abandoned call returns after all is not taken for the result of the next."""
    end = _abandoned(executor)

    def work() -> str:
        end()
        return "mine"

    assert _call(executor, work, FOREVER) == "mine"


def test_sleep__is_not_cut_short_by_an_abandoned_call(executor: InterruptibleExecutor) -> None:
    """An abandoned call that ends wakes nobody."""
    _abandoned(executor)()
    began_at = time.monotonic()
    executor.sleep(0.1)
    assert time.monotonic() - began_at >= 0.1


def test_first__is_the_call_that_ends_first(executor: InterruptibleExecutor, hanging: Callable[[], bool]) -> None:
    """Of several calls the one that has ended is given, whatever their order; the others go on."""
    slow = executor.submit(hanging)
    quick = executor.submit(lambda: True)
    assert executor.wait_any([slow, quick], FOREVER) is quick
    assert not slow.done()


def test_begin__uses_a_thread_that_has_nothing_to_do(
    executor: InterruptibleExecutor, hanging: Callable[[], bool]
) -> None:
    """Calls one after another are made in one thread; one that hangs keeps the next from none."""
    wait_any = _call(executor, threading.current_thread, FOREVER)
    assert _call(executor, threading.current_thread, FOREVER) is wait_any
    executor.submit(hanging)
    assert _call(executor, threading.current_thread, FOREVER) is not wait_any


@pytest.mark.parametrize("number", SIGNALS)
def test_signal__leaves_a_mark_and_raises_nothing(executor: InterruptibleExecutor, number: int) -> None:
    """Outside of a wait a signal interrupts nothing, so that the outputs are written whole."""
    signal.raise_signal(number)
    assert executor.signal_number == number


def test_signal__of_two_the_first_counts(executor: InterruptibleExecutor) -> None:
    """The ending is that of the first signal, whatever follows it."""
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(CancelledError) as caught:
        executor.sleep(FOREVER)
    assert caught.value.exit_code == 143


@pytest.mark.parametrize(
    ("number", "exit_code", "name"), [(signal.SIGINT, 130, "SIGINT"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_sleep__is_cancelled_by_a_signal(
    executor: InterruptibleExecutor, number: int, exit_code: int, name: str
) -> None:
    """A signal ends a sleep that is under way, with the exit code of the signal and its name."""
    sender = _signal_soon(number)
    with pytest.raises(CancelledError, match=name) as caught:
        executor.sleep(FOREVER)
    sender.join()
    assert caught.value.exit_code == exit_code


@pytest.mark.parametrize("number", SIGNALS)
def test_call__is_cancelled_by_a_signal(
    executor: InterruptibleExecutor, hanging: Callable[[], bool], number: int
) -> None:
    """A signal ends the wait for a call that is under way."""
    sender = _signal_soon(number)
    with pytest.raises(CancelledError) as caught:
        _call(executor, hanging, FOREVER)
    sender.join()
    assert caught.value.exit_code == 128 + number


@pytest.mark.parametrize("number", SIGNALS)
def test_wait__is_cancelled_by_an_earlier_signal_each_time(executor: InterruptibleExecutor, number: int) -> None:
    """A signal between two waits ends the next one at once, and every one after it, even one of no time."""
    signal.raise_signal(number)
    for seconds in (FOREVER, 0.0):
        with pytest.raises(CancelledError):
            executor.sleep(seconds)
        with pytest.raises(CancelledError):
            _call(executor, lambda: None, seconds)


def test_listen__is_what_installs_the_handlers() -> None:
    """A waiter that was only made leaves the process's handlers alone."""
    handlers = [signal.getsignal(number) for number in SIGNALS]
    executor = InterruptibleExecutor()
    executor.sleep(0)
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
