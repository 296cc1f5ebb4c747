# The champion behind HTTP, without root and without writing outside /tmp:
#   docker build -t superres .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:3000:3000 superres
FROM python:3.11-slim

WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY src ./src
# The lock file is a constraint here: only what serving needs, in its versions, hashes checked.
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --constraint requirements.lock '.[serve]' \
    && rm -rf /build/*

WORKDIR /app
COPY params.yaml ./
COPY models/champion ./models/champion
ENV OMP_WAIT_POLICY=PASSIVE HOME=/tmp BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:3000/readyz', timeout=4)"]
CMD ["bentoml", "serve", "superres.service:SuperRes", "--host", "0.0.0.0", "--port", "3000"]
