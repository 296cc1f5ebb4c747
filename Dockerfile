# Two images, neither with root nor with a secret inside:
#   docker build -t superres .                                the service (the last stage)
#   docker build -t superres --build-arg TORCH=cpu .          the same without CUDA, gigabytes less
#   docker build -t superres-pipeline --target pipeline .     MLflow, Prefect, its worker
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:3000:3000 superres
# Everything together: compose.yaml; settings: docs/deployment.md.
FROM python:3.11-slim AS base
WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY src ./src
COPY models ./models
# As `make setup TORCH=cpu`: torch for the CPU from its own index, and nothing of CUDA.
ARG TORCH=default
# /data is all that is ever written: videos of the service, databases of MLflow and Prefect.
# The lock file is a constraint here: only what is needed, in its versions.
RUN pip install --no-cache-dir uv \
    && install -d -o 10001 -g 10001 /data /data/jobs /data/tmp \
    && case "$TORCH" in \
        default) cp requirements.lock versions.txt; touch options.txt ;; \
        cpu) sed -E '/^nvidia-|^triton==/d; /^ +--hash/d; s/ *\\$//; /^ *#/d' requirements.lock \
                > versions.txt; \
            echo --torch-backend cpu > options.txt ;; \
        *) echo "TORCH=$TORCH: expected default or cpu" >&2; exit 1 ;; \
    esac
ENV HOME=/tmp PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=PASSIVE DO_NOT_TRACK=true

FROM base AS pipeline
RUN apt-get update && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
RUN uv pip install --system --no-cache $(cat options.txt) --constraint versions.txt \
        '.[pipeline,serve,scale]' \
    && rm -rf /build/*
ENV MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    PREFECT_SERVER_ANALYTICS_ENABLED=false DVC_NO_ANALYTICS=1 GX_ANALYTICS_ENABLED=false
WORKDIR /work
USER 10001:10001
VOLUME /data

FROM base AS service
RUN uv pip install --system --no-cache $(cat options.txt) --constraint versions.txt '.[serve]' \
    && rm -rf /build/*
WORKDIR /app
COPY params.yaml ./
COPY models ./models
ENV BENTOML_HOME=/tmp/bentoml BENTOML_DO_NOT_TRACK=True \
    SUPERRES_JOBS=/data/jobs TMPDIR=/data/tmp
USER 10001:10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:3000/readyz', timeout=4)"]
CMD ["bentoml", "serve", "superres.service:SuperRes", "--host", "0.0.0.0", "--port", "3000"]
