# The image of Voz. By default for the CPU:            docker build -t voz .
# With CUDA (every pinned file checked by its hash):   docker build -t voz:cuda --build-arg TORCH_INDEX_URL= .
# With the weights inside (no volume needed):          docker build -t voz --build-arg BAKE_MODELS=1 .
# With Ray, for several machines (docs/scale.md):      docker build -t voz-ray --target ray .

# ---- build: every package into /opt/venv ------------------------------------------------------------
FROM python:3.11-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# Nothing has to be compiled, so there is no compiler here either. pip stays in the environment: the last
# source of weights is `pip download`
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

COPY requirements.lock requirements-cpu.lock requirements.txt /tmp/requirements/

# Where torch comes from. PyTorch's own index has builds for the CPU alone; those of the ordinary index bring
# gigabytes of CUDA (and run on a CPU, too). Empty: the ordinary index, and so the CUDA image.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
      pip install --require-hashes --no-deps --requirement /tmp/requirements/requirements-cpu.lock \
      && grep -E '^torch(audio|codec)?==' /tmp/requirements/requirements.txt >/tmp/requirements/torch.txt \
      && pip install --index-url "$TORCH_INDEX_URL" --requirement /tmp/requirements/torch.txt; \
    else \
      pip install --require-hashes --no-deps --requirement /tmp/requirements/requirements.lock; \
    fi \
 && pip check

# ---- what both images are made of ---------------------------------------------------------------------
FROM python:3.11-slim AS common

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libseccomp2 tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 voz \
 && useradd --uid 10001 --gid voz --home-dir /tmp --no-create-home --shell /usr/sbin/nologin voz \
 && install -d -o voz -g voz /models /storage /data

COPY --from=build /opt/venv /opt/venv

# Everything that a library may want to write goes to /tmp: the rest of the root may be read-only
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    MODELS_DIR=/models \
    STORAGE_DIR=/storage \
    DATA_DIR=/data \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    NUMBA_CACHE_DIR=/tmp/cache/numba \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/opt/venv/lib/python3.11/site-packages/nvidia/cublas/lib:/opt/venv/lib/python3.11/site-packages/nvidia/cudnn/lib

WORKDIR /app
COPY gunicorn.conf.py ./
COPY deploy/make_bucket.py deploy/worker.py deploy/ray_serve.py deploy/
COPY src src
COPY voz voz

USER 10001:10001

# Weights in the image rather than fetched at the first start; STT_MODEL and TTS_ENGINE choose which
ARG BAKE_MODELS=
ARG STT_MODEL=base
ARG TTS_ENGINE=auto
RUN if [ -n "$BAKE_MODELS" ]; then \
      python -m src.weights --stt "$STT_MODEL" --tts "$TTS_ENGINE" --models-dir /models; \
    fi

VOLUME ["/models", "/storage", "/data"]
EXPOSE 8000
STOPSIGNAL SIGTERM

# The first start fetches the weights: until it is over, failures do not count
HEALTHCHECK --interval=15s --timeout=5s --start-period=15m --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['PORT']}/health/ready\", timeout=4)"]

ENTRYPOINT ["tini", "--"]
CMD ["gunicorn", "src.main:app"]

# ---- serve on Ray: `ray start ...` of KubeRay or of docs/scale.md ---------------------------------------
FROM common AS ray

USER 0:0
COPY requirements-ray.lock /tmp/requirements/
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement /tmp/requirements/requirements-ray.lock \
 && pip check \
 && rm -r /tmp/requirements
USER 10001:10001

COPY deploy/ray deploy/ray
# what `ray start` hands on to the replicas
ENV PYTHONPATH=/app \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0
# nodes without HTTP processes have no /health/ready; KubeRay and `ray health-check` watch them
HEALTHCHECK NONE
CMD ["bash"]

# ---- serve --------------------------------------------------------------------------------------------
FROM common AS serve
