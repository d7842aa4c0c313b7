"""A gate between "we asked Fini to generate knowledge" and "we deploy".

One way through, and the order in which to read the modules:
`inputs` → `job_ids` → `gate` ⇄ `client` → `verdict` → `report` → `github`; `main` wires them.
"""
