"""Several processes behind one port: started, replaced when they die, and stopped together."""

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.context import SpawnProcess

HOPELESS = 2  # the exit code of a worker whose settings cannot work
NOT_YET_SERVING = (-signal.SIGTERM, -signal.SIGINT)  # told to end before it could hear it: nothing is lost
AGAIN_S = 1  # before a process that died at once is replaced
LOOK_S = 0.1  # between two looks at the signals that came
log = logging.getLogger("gradwire")


class Workers:
    """`count` processes that each run `work`, until TERM or INT."""

    def __init__(
        self, count: int, work: Callable[..., None], *args: object, on_death: Callable[[int], None], on_stop: Callable[[], None]
    ) -> None:
        self.count, self.work, self.args, self.on_death, self.on_stop = count, work, args, on_death, on_stop
        self.context = multiprocessing.get_context("spawn")
        self.processes: list[SpawnProcess] = []
        self.told: deque[int] = deque()  # signals that came, which is all that is done while a process may be half started
        self.stopping = False
        self.worst = 0

    def run(self) -> int:
        """Until all have ended; returns 0 where each of them ended well after it was told to."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: self.told.append(number))
        while not self.stopping and len(self.processes) < self.count:
            self.start()
        while self.processes:
            multiprocessing.connection.wait([each.sentinel for each in self.processes], timeout=LOOK_S)
            self.hear()
            for each in [each for each in self.processes if not each.is_alive()]:
                self.ended(each)
        return self.worst

    def start(self) -> None:
        """One more process, unless a signal has come."""
        self.hear()
        if not self.stopping:
            process = self.context.Process(target=self.work, args=self.args)
            process.start()
            self.processes.append(process)

    def hear(self) -> None:
        """Pass on the signals that came; a second one ends the processes at once, each by itself."""
        while self.told:
            self.stop(self.told.popleft())

    def stop(self, number: int) -> None:
        """Have every process end."""
        if not self.stopping:
            self.stopping = True
            self.on_stop()
        for each in self.processes:
            if each.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, number)

    def ended(self, process: SpawnProcess) -> None:
        """Replace a process that died, unless it was to."""
        process.join()
        self.processes.remove(process)
        self.on_death(process.pid or 0)
        if process.exitcode == HOPELESS and not self.stopping:
            self.stop(signal.SIGTERM)  # another would fail for the same reason
        if self.stopping:
            if process.exitcode not in NOT_YET_SERVING:
                self.worst = self.worst or abs(process.exitcode or 0)
            return
        log.error("worker %s died with exit code %s; another takes its place", process.pid, process.exitcode)
        time.sleep(AGAIN_S)
        self.start()


def end_with_parent() -> None:
    """In a worker: drain and end when the process that started it is no more, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
