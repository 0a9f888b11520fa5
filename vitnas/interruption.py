"""Signals that ask a command to end: it stops where it stands, tidies up, and tells in one line how to go on."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from vitnas.errors import VitnasError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

ONE_EVENT_S = 1.0
"""Signals within this time are one wish: `timeout`, `torchrun` and terminals send theirs to a process more than once."""

MOMENT_S = 0.02
"""After this time a signal is raised again that was dropped."""

AGAIN = "nothing half-written is left; the same command begins anew"


class Stopped(BaseException):
    """A signal asked the command to end. No error: `except Exception` lets it pass.

    Attributes:
        number: of the signal.
        how: to go on, and what is kept.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.how = ""

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}: {self.how or AGAIN}"

    @property
    def code(self) -> int:
        """The exit code that shells know."""
        return 128 + self.number


class _State:
    asked: int | None = None
    ending = False
    postponed: tuple[Callable[[], object] | None, ...] = ()


_state = _State()


def watch() -> None:
    """From now on a signal raises `Stopped` in the main thread, and another one a while later ends the process at once.

    Called once, by the program as its first deed; what runs within other programs leaves their handlers alone. A signal
    that whoever started the process had ignored stays ignored.
    """
    _state.asked, _state.ending = None, False
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)
    sys.excepthook = _tell_uncaught
    sys.unraisablehook = _raise_again
    # The handler waits for the main thread to come back from C++, which may wait for another process: a second signal does not.
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_end_at_second, args=(reader,), daemon=True).start()


def end() -> None:
    """The command is over: there is nothing left to stop, so a signal is too late."""
    _state.ending = True


def asked() -> bool:
    """Whether a signal came."""
    return _state.asked is not None


@contextmanager
def postponed(then: Callable[[], object] | None = None) -> Iterator[None]:
    """A signal is only noted meanwhile, see `asked`, and raises `Stopped` where the block ends.

    Args:
        then: called when the signal comes; it may `stop_if_asked`.
    """
    with _mode((*_state.postponed, then)):
        yield
    if not _state.postponed:
        stop_if_asked()


@contextmanager
def breakable() -> Iterator[None]:
    """Within `postponed`: work that a signal may break off after all."""
    with _mode(()):
        stop_if_asked()
        yield


@contextmanager
def going_on(how: str | Callable[[], str]) -> Iterator[None]:
    """What a user is told who stops this work: what is kept, and how to go on; the innermost word counts."""
    try:
        yield
    except Stopped as stop:
        stop.how = stop.how or (how if isinstance(how, str) else how())
        raise
    except Exception as error:
        if (signalled := behind(error)) is not None:
            signalled.how = how if isinstance(how, str) else how()
            raise signalled from error
        raise


def behind(error: Exception) -> Stopped | None:
    """The signal that an error comes from: C code that a signal breaks off may raise an error of its own instead.

    An error with a message for the user, which may tell that the stop itself failed, counts for itself.
    """
    if _state.asked is None or isinstance(error, VitnasError | OSError):
        return None
    return Stopped(_state.asked)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Puts the handlers of signals back where a library replaces them, as Ray does with one that prints a C++ stack."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that is not Python's
                signal.signal(number, handler)


def _on_signal(number: int, frame: object) -> None:
    if _state.ending or asked():
        return
    _state.asked = number
    if not _state.postponed:
        raise Stopped(number)
    for then in _state.postponed:
        if then is not None:
            then()


def stop_if_asked() -> None:
    """Stops here and now, if a signal came."""
    if _state.asked is not None:
        raise Stopped(_state.asked)


@contextmanager
def _mode(postponed: tuple[Callable[[], object] | None, ...]) -> Iterator[None]:
    before, _state.postponed = _state.postponed, postponed
    try:
        yield
    finally:
        _state.postponed = before


def _tell_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """One that comes before the command line is loaded, and so before anybody could catch it."""
    if isinstance(error, Stopped):
        print(error, file=sys.stderr, flush=True)
        os._exit(error.code)
    sys.__excepthook__(kind, error, trace)


def _raise_again(lost: sys.UnraisableHookArgs) -> None:
    """A signal that comes while Python calls back for an object that goes is dropped there: it is raised a moment later."""
    if not isinstance(lost.exc_value, Stopped):
        sys.__unraisablehook__(lost)
        return
    timer = threading.Timer(MOMENT_S, _raise_in_main_thread)
    timer.daemon = True
    timer.start()


def _raise_in_main_thread() -> None:
    if _state.ending or _state.postponed:  # what postpones will look whether it was asked to stop
        return
    import ctypes

    main = ctypes.c_ulong(threading.main_thread().ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(main, ctypes.py_object(_StoppedLate))


class _StoppedLate(Stopped):
    """As Python makes it, which gives no arguments."""

    def __init__(self) -> None:
        super().__init__(_state.asked or signal.SIGTERM)


def _end_at_second(reader: socket.socket) -> None:
    first: float | None = None
    while byte := reader.recv(1):
        if byte[0] not in SIGNALS:
            continue
        now = time.monotonic()
        if first is None:
            first = now
        elif now - first >= ONE_EVENT_S:
            os._exit(128 + byte[0])
