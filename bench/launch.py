"""Runs the command in its arguments and prints its usage as JSON.

The kernel counts the memory of the parent towards the child's peak, so the parent of what is measured must be small.
"""

import json
import os
import sys
import time

started_at = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(pid, 0)
result = {
    "started_at": started_at,
    "wall_seconds": time.monotonic() - started_at,
    "cpu_seconds": usage.ru_utime + usage.ru_stime,
    "peak_bytes": usage.ru_maxrss * 1024,
}
sys.stdout.write(json.dumps(result))
sys.exit(os.waitstatus_to_exitcode(status))
