"""A gate between "we asked Fini to generate knowledge" and "we deploy".

One way through, and the order in which to read the modules; what stands in brackets is of use to the one before it:
`inputs` (`escaping`, `errors`) → `job_ids`, `certificates` (`workspace`) → `gate` (`jobs`, `schedule`) ⇄ `client`
(`waiting`) → `verdict` → `report` (`progress`), `summary` (`timeline`), `results_file` → `github` (`terminal`); `main`
wires them.
"""
