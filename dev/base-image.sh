#!/usr/bin/env bash
# A Debian base image from Debian's own packages, for machines that can pull no image.
#
#   dev/base-image.sh NAME[:TAG] SUITE [PACKAGE...]     for example: dev/base-image.sh debian:bookworm-slim bookworm
#
# It stands in for the public image of the same name: the Dockerfile that is tested is the one that ships. As in that, packages
# that a build adds are not synced to the disk one by one.
# Only Debian's CA certificates go in. What a network adds to them reaches an image build as a BuildKit secret
# and a job as a mounted file, so an image can be handed to anyone. Needs root and a docker client that reaches
# an engine; about 20 seconds.
set -euo pipefail

die() { echo "base-image.sh: $*" >&2; exit 1; }

[ $# -ge 2 ] || { sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//' >&2; exit 64; }
name=$1 suite=$2; shift 2
packages=$(IFS=,; echo "ca-certificates${*:+,$*}")

if ! command -v mmdebstrap >/dev/null; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap debian-archive-keyring >/dev/null
fi

sources() {
  local mirror=${PIPELINEX_DEBIAN_MIRROR:-http://deb.debian.org/debian} key=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$key] $mirror $suite main"
  [ "$suite" = sid ] && return
  echo "deb [signed-by=$key] $mirror $suite-updates main"
  echo "deb [signed-by=$key] ${mirror%/}-security $suite-security main"
}

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
sources >"$work/sources.list"
# shellcheck disable=SC2016 # mmdebstrap's own shell expands the hook
mmdebstrap --quiet --variant=minbase --include="$packages" \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  --customize-hook='echo force-unsafe-io >"$1"/etc/dpkg/dpkg.cfg.d/docker-apt-speedup' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin "$1"/etc/hostname "$1"/etc/resolv.conf' \
  "$suite" "$work/root.tar" "$work/sources.list" >"$work/log" 2>&1 ||
  { tail -n 15 "$work/log" >&2; die "mmdebstrap could not make $suite: is the Debian archive reachable (apt-get update)?"; }
docker import \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'CMD ["bash"]' \
  "$work/root.tar" "$name" >/dev/null
echo "base-image.sh: $name made from Debian $suite" >&2
