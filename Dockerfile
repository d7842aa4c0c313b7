ARG BASE_IMAGE=python:3.13-slim
FROM ${BASE_IMAGE}

COPY requirements.txt /fini-gate/
# actions-toolkit's wheel brings a top-level package `tests`, which nobody wants on the path.
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-compile \
        --no-deps --require-hashes --only-binary :all: --requirement /fini-gate/requirements.txt \
    && site_packages="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && rm -r "${site_packages}/tests" \
    && python -m compileall -q "${site_packages}"

COPY entrypoint.py /fini-gate/
COPY fini_gate /fini-gate/fini_gate
# The base image has no byte code of the standard library: importing the gate writes what it needs of it.
RUN python -m compileall -q /fini-gate \
    && python -I -c 'import sys; sys.path.insert(0, "/fini-gate"); import backoff, yaml, fini_gate.main'

# The process starts in the user's checkout, which is not to be trusted: isolated (-I), nothing there is ever imported.
# No shell in between: it would drop variables with a hyphen in their name (INPUT_JOB-IDS), and hear the signals for us.
ENTRYPOINT ["/usr/local/bin/python", "-I", "-u", "/fini-gate/entrypoint.py"]
