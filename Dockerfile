# syntax=docker/dockerfile:1
# The image of the scaled deployment; see docker-compose.yml. It holds no
# Postgres: give it DATABASE_URL.

FROM rust:1.95-slim-bookworm AS build
# C and C++ for parts of the dependencies.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ pkg-config make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# Queries are checked against the committed .sqlx. The target folder is a cache
# and is gone after this step, so the binary is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    SQLX_OFFLINE=true cargo build --release --locked --bin footnote \
    && cp target/release/footnote /usr/local/bin/footnote

FROM python:3.13-slim-bookworm AS model
WORKDIR /fetch
COPY scripts/env.sh scripts/fetch-model.sh scripts/
RUN FOOTNOTE_CACHE=/opt/footnote bash scripts/fetch-model.sh

FROM debian:bookworm-slim
# curl asks for the health below; the runtime of the model is C++.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin footnote \
    && install --directory --owner footnote --group footnote --mode 700 /data
COPY --from=model /opt/footnote /opt/footnote
COPY --from=build /usr/local/bin/footnote /usr/local/bin/footnote
COPY LICENSE NOTICE /usr/share/doc/footnote/

ENV FOOTNOTE_DATA_DIR=/data \
    FOOTNOTE_MODEL_DIR=/opt/footnote/models/all-MiniLM-L6-v2-int8 \
    FOOTNOTE_ONNXRUNTIME=/opt/footnote/runtime/libonnxruntime.so
USER footnote
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null", "http://127.0.0.1:8080/health/ready"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["footnote"]
# A container's port is open to whoever reaches its network, and it speaks plain
# HTTP: publish it on a loopback address, with a proxy that speaks TLS before it.
CMD ["serve", "--listen", "0.0.0.0:8080"]
