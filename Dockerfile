# Incident Central as one process that is not root: see docs/deploy.md.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /opt/incident-central \
 && /opt/incident-central/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY incident_central incident_central
RUN /opt/incident-central/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin incident-central \
 && install -d -o incident-central -g incident-central -m 0700 /data
COPY --from=build /opt/incident-central /opt/incident-central
ENV PATH=/opt/incident-central/bin:$PATH PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
USER incident-central
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["incident-central"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
