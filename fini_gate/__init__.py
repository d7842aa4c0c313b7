"""Wait for Fini's knowledge-generation jobs and decide whether a deploy may go on.

One way through, and the order in which to read the modules (helpers in brackets):
`inputs` (`addresses`, `durations`, `escaping`, `errors`) → `job_ids`, `certificates` (`files`) →
`poller` (`models`, `tracking`, `deadlines`, `pacing`) ⇄ `client` (`executor`) → `verdict` → `output` → `platforms`.
`main` wires them.
"""
