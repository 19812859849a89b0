#!/bin/sh
# Runs a test program as cargo does. Of stories that mostly wait for somebody to die, more run at once than there are cores; the
# others build Java projects and scan them, and would only take longer.
case $(basename "$1") in
  faults-*) RUST_TEST_THREADS=${RUST_TEST_THREADS:-4}; export RUST_TEST_THREADS ;;
esac
exec "$@"
