# The product: one program, as `backend` or as `worker`.
#
#   docker build --tag pipelinex .                                               compiles in the image of PROGRAM=compiled
#   cargo build --release && docker build --build-arg PROGRAM=given -t pipelinex .    takes the program that is there
#
# Compiling trusts an optional secret `ca` (--secret id=ca,src=bundle.pem) on networks that re-sign TLS, and takes the commit
# that --version tells from PIPELINEX_BUILD_COMMIT: the history is not in the build context.
# With PROGRAM=given, BINARY is the program's place in the build context; one built elsewhere needs a BASE whose libc is
# not older.
# BASE and RUST are pinned by digest, as a tag may name another image tomorrow.
ARG BASE=debian:bookworm-slim@sha256:7c7b2c966bc9ee8cedfeef67e0e279108992c77681fa595db4a9d65c06ccc587
ARG RUST=rust:1.91-bookworm@sha256:c1e5f19e773b7878c3f7a805dd00a495e747acbdc76fb2337a4ebf0418896b33
ARG PROGRAM=compiled

FROM ${RUST} AS compiled
WORKDIR /workspaces
# Clones trust these; a slim base has none of its own.
WORKDIR /certificates
RUN cp /etc/ssl/certs/ca-certificates.crt .
WORKDIR /build
COPY . .
ARG PIPELINEX_BUILD_COMMIT
RUN --mount=type=secret,id=ca --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    if [ -s /run/secrets/ca ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca; fi \
 && cargo build --release --locked --package pipelinex && cp target/release/pipelinex /pipelinex

FROM scratch AS given
ARG BINARY=target/release/pipelinex
WORKDIR /workspaces
# A base for PROGRAM=given brings its own.
WORKDIR /certificates
COPY ${BINARY} /pipelinex

FROM ${PROGRAM} AS program

FROM ${BASE}
COPY --from=program /pipelinex /usr/local/bin/pipelinex
COPY --from=program /certificates /etc/ssl/certs
# 10002 is the user of the backend. A named volume takes over the owner and mode of this folder; what a worker takes over
# keeps its group, so that the backend can go on reading it.
COPY --from=program --chown=10002:10002 --chmod=0750 /workspaces /workspaces
WORKDIR /workspaces
ENV PIPELINEX_WORKSPACES=/workspaces
# A worker gives folders to the runners' user and speaks to the engine's socket; a backend needs neither and may be
# given any other user.
USER 0:0
ENTRYPOINT ["pipelinex"]
