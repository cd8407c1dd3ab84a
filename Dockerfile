# FluentPro's image: the same in every environment and for every process type.
#
#   docker build --tag fluentpro .
#
# To pin the base, give its digest: --build-arg PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm@sha256:...
# Where packages come from an index of your own, pip's settings and the authority that signed its certificate are
# given as secrets, which leave nothing in the image:
#   --secret id=pip.conf,src=pip.conf --secret id=ca.pem,src=ca.pem     (pip.conf: cert = /run/secrets/ca.pem)

ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm

# ---- What is built: an environment with the locked packages and FluentPro's own wheel -----------------
FROM ${PYTHON_IMAGE} AS build

ENV PIP_CONFIG_FILE=/run/secrets/pip.conf \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_REQUIRE_HASHES=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# pip stands in an environment of its own: what runs has none.
RUN python3 -m venv /build/tools && python3 -m venv --without-pip /opt/fluentpro

# The packages, before the code, which changes more often. None is compiled here.
COPY requirements/base.txt requirements/build.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip.conf --mount=type=secret,id=ca.pem \
    tools/bin/pip install --quiet --requirement requirements/build.txt && \
    tools/bin/pip --python /opt/fluentpro/bin/python install --quiet --requirement requirements/base.txt

# FluentPro itself, as a wheel; it has no hash, and needs nothing but what is there.
COPY pyproject.toml ./
COPY fluentpro fluentpro
RUN PIP_REQUIRE_HASHES=0 tools/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir wheels . && \
    PIP_REQUIRE_HASHES=0 tools/bin/pip --python /opt/fluentpro/bin/python install --quiet --no-deps --no-index wheels/*.whl

# The static files, compressed once. The secret key is for these two commands, and is gone with them.
COPY manage.py settings.toml .secrets.toml ./
COPY settings settings
RUN export ENV_FOR_DYNACONF=testing FLUENTPRO_ROOT=/build FLUENTPRO_DJANGO__STATIC_ROOT=/opt/static && \
    FLUENTPRO_DJANGO__SECRET_KEY="$(python3 -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    /opt/fluentpro/bin/python manage.py collectstatic --no-input --verbosity 0 && \
    /opt/fluentpro/bin/python -m whitenoise.compress --quiet /opt/static

# ---- What runs ----------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS runtime

ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="FluentPro" \
      org.opencontainers.image.description="The backend of a language-learning service for professionals" \
      org.opencontainers.image.vendor="FluentPro" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The number is fixed, so that volumes, Kubernetes and compose can name it.
RUN groupadd --gid 10001 fluentpro && \
    useradd --uid 10001 --gid 10001 --home-dir /home/fluentpro --create-home --shell /usr/sbin/nologin fluentpro

COPY --from=build /opt/static /opt/static
COPY --from=build /opt/fluentpro /opt/fluentpro

# The settings are part of the release. To use others, mount a folder, and name it by FLUENTPRO_ROOT.
WORKDIR /srv/fluentpro
COPY manage.py settings.toml .secrets.toml ./
COPY settings settings
COPY secrets secrets

ENV ENV_FOR_DYNACONF=production \
    FLUENTPRO_ROOT=/srv/fluentpro \
    FLUENTPRO_DJANGO__STATIC_ROOT=/opt/static \
    PATH=/opt/fluentpro/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["fluentpro", "probe", "startup"]

# `serve` refuses a configuration that is not valid before it starts anything: exit status 78, with the report
# on standard error and in the file that TERMINATION_LOG names.
ENTRYPOINT ["fluentpro"]
CMD ["serve", "--process", "web"]
