#!/usr/bin/env bash
# Measures what several processes gain on this machine, one thread each, and computes what more of them would
# gain on networks of 10 and 100 Gbit/s. Prints Markdown tables.
#
#   scripts/scaling.sh           about a quarter of an hour after the build, and 4 GB in the temporary folder
#   scripts/scaling.sh --quick   fewer steps and 100 MB, in about three minutes
set -euo pipefail

case "$# ${1-}" in
  "0 " | "1 --quick") ;;
  *)
    echo "scaling: unknown arguments '$*'; --quick or none would work" >&2
    exit 1
    ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=$(scripts/build.sh)
exec python3 scripts/scaling.py "$@" "$program"
