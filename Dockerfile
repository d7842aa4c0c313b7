# A single ARG: tests replace it with a stand-in if no registry is reachable.
ARG BASE_IMAGE=python:3.13-slim@sha256:70729b46c69b4f1e97c4822c1af3df53a1476cf5ddc6c087c0c10bc3a5678c2f
FROM ${BASE_IMAGE} AS build

# Everything that the image adds to its base is collected in /added.
COPY requirements/runtime.txt /
# Removed from the packages: tests (actions-toolkit installs its own as a top-level package), commands, urllib3's support
# for other environments, and charset-normalizer's compiled modules, which take 0.5 MB and are not needed.
RUN python -B -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-compile \
        --no-deps --require-hashes --only-binary :all: --root /added/dependencies --requirement /runtime.txt \
    && find /added/dependencies -depth \( -name tests -o -name bin -o -path '*/urllib3/contrib' \
        -o -path '*/charset_normalizer/*.so' \) -exec rm -r {} +

COPY image/byte_code.py /
COPY entrypoint.py LICENSE /added/code/fini-gate/
COPY fini_gate /added/code/fini-gate/fini_gate
# The link puts the command on the PATH, for CIs that replace the entrypoint. Fixed modes and times: the same files give
# the same layers, however they were checked out.
RUN python -I -B /byte_code.py \
    && mkdir -p /added/code/usr/local/bin \
    && ln -s /fini-gate/entrypoint.py /added/code/usr/local/bin/fini-gate \
    && chmod -R u=rwX,go=rX /added \
    && chmod a+x /added/code/fini-gate/entrypoint.py \
    && find /added -exec touch --no-dereference --date=@0 {} +

FROM ${BASE_IMAGE}
# The code last: a new release that changes nothing else downloads only a few hundred kB.
COPY --from=build /added/dependencies /
COPY --from=build /added/code /

# Isolated (-I), Python imports nothing from the user's checkout, which is not trusted and is the working directory.
# A shell would drop variables with a hyphen in their name (INPUT_JOB-IDS), and receive the signals instead of the gate.
ENTRYPOINT ["/usr/local/bin/python", "-I", "-u", "/fini-gate/entrypoint.py"]

# After the layers, which every release can then share.
ARG BASE_IMAGE
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fini-gate" \
      org.opencontainers.image.description="Waits for Fini's knowledge jobs and gates what comes after them, on GitHub and in any other CI" \
      org.opencontainers.image.source="https://github.com/OWNER/fini-gate" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
