"""Independent measures on all cores, whose number cannot change a bit."""

import ctypes
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from threadpoolctl import threadpool_limits

from unsup.core.words import counted, duration
from unsup.evaluation.expected_warnings import ignore_expected_warnings
from unsup.evaluation.progress import say

Measures = dict[str, Callable[[], Any]]


def run_side_by_side(parts: Measures, workers: int, seconds: float = 0) -> dict[str, Any]:
    """Run measures on one thread each, and return the result of each by name.

    They start in their order, `workers` of them at a time, and take about `seconds` of one core. An error in one of
    them is raised here. An error or an interrupt stops the others at their next line of Python.
    """
    ignore_expected_warnings()  # in all threads, as a filter holds for the process
    todo = list(parts.items())[::-1]
    finished: SimpleQueue[tuple[str, float, Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while todo:
            try:
                name, part = todo.pop()
            except IndexError:  # another thread was faster
                return
            start = time.perf_counter()
            result, error = None, None
            try:
                with threadpool_limits(limits=1):  # OpenMP limits each thread separately
                    result = part()
            except BaseException as caught:
                error = caught
                todo.clear()
            finished.put((name, time.perf_counter() - start, result, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(parts)))]
    about = f", about {duration(seconds / len(threads))}" if seconds else ""
    say(f"scoring in {counted(len(parts), 'part')} on {counted(len(threads), 'core')}{about}")
    done: dict[str, Any] = {}
    with threadpool_limits(limits=1):  # BLAS limits the whole process
        try:
            for thread in threads:
                thread.start()
            while len(done) < len(parts):
                name, seconds, result, error = finished.get()
                if error is not None:
                    raise error
                done[name] = result
                say(f"{name}: {seconds:.1f} s ({len(done)} of {counted(len(parts), 'part')})")
        except BaseException:
            todo.clear()  # an interrupt arrives without a failed measure
            for thread in threads:
                _stop(thread)
            raise
    return done


def _stop(thread: threading.Thread) -> None:
    """Raise SystemExit in a thread until it ends, or it would crash Python's exit."""
    while thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        thread.join(0.1)
