# The product: one program, as `backend` or as `worker`.
#
#   cargo build --release && docker build --tag pipelinex .
#
# BINARY is the program's place in the build context; one built elsewhere needs a BASE whose libc is not older.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
ARG BINARY=target/release/pipelinex
COPY ${BINARY} /usr/local/bin/pipelinex
# A named volume, or a folder of the host: a worker finds out where the engine sees it.
WORKDIR /workspaces
ENV PIPELINEX_WORKSPACES=/workspaces
# A worker gives folders to the runners' user and speaks to the engine's socket; a backend needs neither and may be
# given any other user.
USER 0:0
ENTRYPOINT ["pipelinex"]
