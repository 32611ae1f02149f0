import signal
import subprocess
import sys
import time
from pathlib import Path

# The worker process writes its ID, and then works for ten minutes.
MAIN = """
from data.jobs.processes import in_processes
code = "(print(__import__('os').getpid(), flush=True), __import__('time').sleep(600))"
list(in_processes(eval, [code]))
"""


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_worker_processes_end_when_the_main_process_is_killed():
    with subprocess.Popen([sys.executable, "-c", MAIN], stdout=subprocess.PIPE) as main:
        worker = int(main.stdout.readline())
        assert is_alive(worker)
        main.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while is_alive(worker):
            assert time.monotonic() < deadline, "the worker process outlives its parent"
            time.sleep(0.05)
