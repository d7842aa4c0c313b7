"""Wait for Fini's knowledge-generation jobs and decide whether a deploy may go on.

Read the modules in this order, which is that of the data flow (helpers in parentheses):
`cli`, `settings` (`names`) → `api_key`, `inputs` (`addresses`, `durations`, `escaping`, `errors`) →
`job_ids`, `certificates` (`files`) →
`poller` (`models`, `tracking`, `deadlines`, `pacing`) ⇄ `client` (`executor`) → `verdict` → `publication`, `details`
(`records`) → `output` → `platforms`.
`__main__` and the command call `start`, which calls `main`, which wires them.
"""

__version__ = "0.1.0"
