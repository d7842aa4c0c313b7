# One string in one place. Cut off at the `@`, it is the name that a stand-in can go by where no registry answers.
ARG BASE_IMAGE=python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f
FROM ${BASE_IMAGE} AS build

# What is to be laid over the base's root is put together in a folder: what the work leaves behind stays behind.
COPY requirements/runtime.txt /
# Left out of the wheels: tests (those of actions-toolkit are a top-level package), commands, what urllib3 has for
# packages that are not here and for browsers, and the compiled twins of two of charset-normalizer's modules: half a
# megabyte for a detection of charsets that the gate never asks for.
RUN python -B -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-compile \
        --no-deps --require-hashes --only-binary :all: --root /added/dependencies --requirement /runtime.txt \
    && find /added/dependencies -depth \( -name tests -o -name bin -o -path '*/urllib3/contrib' \
        -o -path '*/charset_normalizer/*.so' \) -exec rm -r {} +

COPY image/byte_code.py /
COPY entrypoint.py LICENSE /added/code/fini-gate/
COPY fini_gate /added/code/fini-gate/fini_gate
# Whatever the checkout made of times and modes, the same files make the same layers.
RUN python -I -B /byte_code.py \
    && chmod -R u=rwX,go=rX /added \
    && chmod a+x /added/code/fini-gate/entrypoint.py \
    && find /added -exec touch --date=@0 {} +

FROM ${BASE_IMAGE}
# Most seldom changed first: for whoever has the release before, a change of the gate alone is some hundred kB.
COPY --from=build /added/dependencies /
COPY --from=build /added/code /

# The process starts in the user's checkout, which is not to be trusted: isolated (-I), nothing there is ever imported.
# No shell in between: it would drop variables with a hyphen in their name (INPUT_JOB-IDS), and hear the signals for us.
ENTRYPOINT ["/usr/local/bin/python", "-I", "-u", "/fini-gate/entrypoint.py"]

# Last, as each release has its own.
ARG BASE_IMAGE
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fini-gate" \
      org.opencontainers.image.description="A GitHub Action that waits for Fini's knowledge jobs and gates what comes after them" \
      org.opencontainers.image.source="https://github.com/OWNER/fini-gate" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
