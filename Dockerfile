# CPU:  docker build -t fedjax-shap .
# CUDA: docker build -t fedjax-shap:cuda --build-arg JAX="jax[cuda12]" .   (the host needs NVIDIA's driver and container toolkit)
# Run:  docker run --rm -v "$PWD/runs:/runs/runs" fedjax-shap quickstart
ARG PYTHON=3.12

# The wheel; git gives it its version, and stays behind.
FROM python:${PYTHON}-bookworm AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /dist .

FROM python:${PYTHON}-slim-bookworm
ARG JAX="jax"
COPY constraints.txt /tmp/constraints.txt
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    pip install --no-cache-dir -c /tmp/constraints.txt "${JAX}" /dist/*.whl
RUN useradd --create-home --uid 1000 runner && install -d -o runner /runs /runs/runs
USER 1000
WORKDIR /runs
ENTRYPOINT ["fedjax-shap"]
CMD ["quickstart"]
