# The container image: the command, its locked dependencies, and nothing that built them. `make image` builds it.
ARG BASE_IMAGE=python:3.13-slim-trixie

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
# Two environments: what builds has pip and hatchling, what stays has neither. Wheels alone: nothing is compiled here.
# The secrets, both optional, are how this machine reaches its package index: a pip.conf, and authorities to trust.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi && \
    python3 -m venv /tools && \
    python3 -m venv --without-pip /opt/recording-storage && \
    /tools/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements/build.txt && \
    /tools/bin/pip --python /opt/recording-storage/bin/python3 install --quiet \
        --require-hashes --only-binary :all: --no-compile -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# Bytecode that is never compared with its source: that is what a file system that can't be written to wants, and it starts sooner.
RUN /tools/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . && \
    /tools/bin/pip --python /opt/recording-storage/bin/python3 install --quiet --no-deps --no-index --no-compile /wheels/*.whl && \
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/recording-storage/lib

FROM ${BASE_IMAGE}
COPY --from=build /opt/recording-storage /opt/recording-storage
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="recording-storage" \
      org.opencontainers.image.description="Carries call and video recordings from Kubernetes into the customer's own S3 bucket" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# HOME is named because a uid without a passwd entry has none; nothing is written there.
ENV PATH=/opt/recording-storage/bin:/usr/local/bin:/usr/bin:/bin HOME=/nonexistent PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 65532:65532
ENTRYPOINT ["recording-storage"]
