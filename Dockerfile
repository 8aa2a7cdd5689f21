# The service of `sigzoo serve`, with the weights inside: it runs without any network.
#
#   docker build -t sigzoo .
#   docker run --rm -p 127.0.0.1:8000:8000 --read-only --tmpfs /tmp sigzoo
#
# Build arguments: MODELS are fetched into the image beside the bundled ones; PIP_EXTRA_INDEX_URL names an
# index that has the CPU build of torch, which is far smaller.
FROM python:3.11-slim AS build
ARG PIP_EXTRA_INDEX_URL=""
ARG MODELS="synsig-tiny synsig-base"
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SIGZOO_HOME=/var/lib/sigzoo
WORKDIR /src
COPY requirements.txt ./
# The lock file's versions; what it lists beyond the service is not installed.
RUN grep -E '^[A-Za-z0-9._-]+==' requirements.txt > constraints.txt && python -m venv /opt/sigzoo
COPY pyproject.toml README.md LICENSE registry.yaml ./
COPY sigzoo ./sigzoo
COPY plugins ./plugins
RUN /opt/sigzoo/bin/pip install -c constraints.txt '.[serve,heif]' ./plugins/sigzoo-students \
    ./plugins/sigzoo-signet ./plugins/sigzoo-spp ./plugins/sigzoo-community
RUN mkdir -p /var/lib/sigzoo && /opt/sigzoo/bin/sigzoo fetch ${MODELS}

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/sigzoo --shell /usr/sbin/nologin sigzoo
COPY --from=build /opt/sigzoo /opt/sigzoo
COPY --from=build --chown=10001 /var/lib/sigzoo /var/lib/sigzoo
ENV PATH=/opt/sigzoo/bin:$PATH SIGZOO_HOME=/var/lib/sigzoo SIGZOO_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/sigzoo
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
# Inside the container all addresses are the container's own; what is published decides who reaches it.
ENTRYPOINT ["sigzoo", "serve", "--host", "0.0.0.0"]
