"""Wait for Fini's knowledge-generation jobs and decide whether a deploy may go on.

One way through, and the order in which to read the modules (helpers in brackets):
`inputs` (`escaping`, `errors`) → `job_ids`, `certificates` (`files`) → `poller` (`models`, `pacing`) ⇄
`client` (`executor`)
→ `verdict` → `output` → `platforms`. `main` wires them.
"""
