#!/usr/bin/env bash
# Runs makemore-tch with the arguments given, after building whatever is missing for that
# (scripts/build.sh). The user's folder stays for the program, whose files may be relative to it.
set -euo pipefail

program=$("$(dirname "${BASH_SOURCE[0]}")/build.sh")
exec "$program" "$@"
