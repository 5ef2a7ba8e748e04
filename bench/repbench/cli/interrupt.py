"""Ctrl-C: a command ends within moments, whatever it is in, and says how to go on."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

WORDS = "\ninterrupted; give the same command again to go on where it stopped."
STATUS = 130
PATIENCE = 1.0  # seconds for an end in good order: less than the two that a user waits
_OVER = b"\0"  # no signal has this number


@contextmanager
def ends_soon() -> Iterator[None]:
    """A block whose process ends PATIENCE seconds after a SIGINT at the latest, with exit status 130.

    KeyboardInterrupt comes first, as ever. It is late in a long pass of a network, and never comes out of a library that
    swallows it or a wait for a process that hangs; then another thread, which the kernel's signal wakes at once, ends the
    process. What is stored appears whole or not at all, so nothing is lost by that.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(ear, os.getpid()), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        mouth.send(_OVER)
        watcher.join()
        ear.close()
        mouth.close()


def _watch(ear: socket.socket, process: int) -> None:
    heard = b""
    while signal.SIGINT not in heard:
        heard = ear.recv(64)
        if _OVER in heard:
            return
    while select.select([ear], [], [], PATIENCE)[0]:
        if _OVER in ear.recv(64):
            return
    for child in (children := multiprocessing.active_children()):
        child.kill()
    for child in children:
        child.join(PATIENCE / 4)
    os.write(2, f"{WORDS}\n".encode())
    os._exit(STATUS)
