# vitnas for processors.
#
#   docker build --tag vitnas .
#   docker run --rm --volume "$PWD":/work vitnas auto photos/ --device cpu --latency 3ms --time 2h
#
# The wheel of torch that pip finds by itself brings CUDA, gigabytes of it. With TORCH_INDEX, the address of PyTorch's wheels for
# processors, the image is far smaller:
#
#   docker build --tag vitnas --build-arg TORCH_INDEX=... .
FROM python:3.11-slim

ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

WORKDIR /opt/vitnas
COPY requirements.lock ./
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-deps --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.lock)"; \
    fi \
    && pip install --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY vitnas ./vitnas
RUN pip install --no-deps --no-build-isolation . && useradd --create-home vitnas && mkdir /work && chown vitnas /work

USER vitnas
WORKDIR /work
ENTRYPOINT ["vitnas"]
CMD ["--help"]
