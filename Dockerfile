# One image: `flashdrill`, the reference backend (`python -P -m backend`), Locust. docs/containers.md says how to use it.
# Pinned by exact tags; a digest goes behind the tag where one is wanted: image:tag@sha256:...
FROM ghcr.io/shopify/toxiproxy:2.12.0 AS toxiproxy

FROM python:3.12.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY . .
# The wheel, installed as any user would install it: what is not in the wheel is not in the image.
RUN python -m venv /opt/venv \
    && pip wheel --no-deps --wheel-dir /dist . \
    && wheel=$(find /dist -name 'flashdrill-*.whl') \
    && /opt/venv/bin/pip install "${wheel}[reference]"
# The reference folders as a repository of one's own would hold them: scenarios/, chaos/, reports/, and backend/.
WORKDIR /opt/flashdrill
RUN root=$(/opt/venv/bin/python -P -c 'from flashdrill.stack.reference import reference_root; print(reference_root())') \
    && cp -R "$root"/. . \
    && find . -name __pycache__ -prune -exec rm -r {} +

FROM python:3.12.13-slim-bookworm
ARG VERSION=unknown
LABEL org.opencontainers.image.title="flashdrill" \
      org.opencontainers.image.description="Rehearse a flash sale under faults: load, chaos, order checking, a verdict" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
# initdb wants its user to have a name, so the user is a real one. PID 1 is tini: it reaps, and passes signals on.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends 'tini=0.19.0-*' \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 flashdrill \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin flashdrill \
    && install --directory --owner=10001 --group=10001 /var/lib/flashdrill/queue /var/lib/flashdrill/runs
COPY --from=toxiproxy /toxiproxy /usr/local/bin/toxiproxy-server
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/flashdrill /opt/flashdrill
COPY deploy/healthy.py /usr/local/bin/healthy
# Runs are written to reports/ of the current directory; nothing else here can be written.
RUN chown 10001:10001 /opt/flashdrill/reports
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/flashdrill \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/flashdrill
USER 10001:10001
EXPOSE 8080 8089 9100
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["healthy"]
ENTRYPOINT ["tini", "--"]
CMD ["flashdrill", "--help"]
