"""Starts the command in its arguments, waits for its end, and prints what it took as JSON.

A small process between the bench and what is measured: the kernel counts what the parent has in memory into a child's
peak.
"""

import json
import os
import sys
import time

began_at = time.monotonic()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(pid, 0)
ended_at = time.monotonic()
taken = {
    "began_at": began_at,
    "wall_seconds": ended_at - began_at,
    "cpu_seconds": usage.ru_utime + usage.ru_stime,
    "peak_bytes": usage.ru_maxrss * 1024,
    "exit_code": os.waitstatus_to_exitcode(status),
}
sys.stdout.write(json.dumps(taken))
