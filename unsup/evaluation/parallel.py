"""Independent parts of an evaluation on all cores, one thread each: the number of cores cannot change a bit."""

import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

import torch
from threadpoolctl import threadpool_limits

Parts = dict[str, Callable[[], Any]]


def side_by_side(parts: Mapping[str, Callable[[], Any]], say: Callable[[str], None]) -> dict[str, Any]:
    """What each part returns, by its name. They start in the given order, as many at a time as torch has threads.

    An error in a part is raised here. The threads are daemons: an interrupt ends the program without waiting for them.
    """
    todo = list(parts.items())[::-1]
    finished: SimpleQueue[tuple[str, float, Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        while todo:
            try:
                name, part = todo.pop()
            except IndexError:  # another thread was faster
                return
            start = time.perf_counter()
            try:
                with threadpool_limits(limits=1):  # scikit-learn's OpenMP threads are set for each thread by itself
                    result, error = part(), None
            except BaseException as caught:
                result, error = None, caught
            finished.put((name, time.perf_counter() - start, result, error))

    done: dict[str, Any] = {}
    workers = min(torch.get_num_threads(), len(todo))
    with threadpool_limits(limits=1):  # and the BLAS ones for the whole process
        try:
            say(f"scoring in {len(parts)} parts on {workers} cores")
            for _ in range(workers):
                threading.Thread(target=work, daemon=True).start()
            while len(done) < len(parts):
                name, seconds, result, error = finished.get()
                if error is not None:
                    raise error
                done[name] = result
                say(f"{name}: {seconds:.1f} s ({len(done)} of {len(parts)} parts)")
        finally:
            todo.clear()
    return done
