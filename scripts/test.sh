#!/usr/bin/env bash
# Runs the whole test suite, after setting up libtorch where it is missing.
#
#   scripts/test.sh              every test, in some minutes with the build
#   scripts/test.sh --lectures   the lectures from their first step to their last, and README's table of them, instead
#   scripts/test.sh --page       `page` in a browser, instead: needs Node with npm, and Chromium or Chrome
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v cargo >/dev/null || {
  echo "test: no cargo; install Rust from https://rustup.rs" >&2
  exit 1
}
if [ "${1-}" = --lectures ]; then
  scripts/setup.sh
  exec cargo test --release --locked --test program the_whole_series "${@:2}" -- --ignored --nocapture
fi
if [ "${1-}" = --page ]; then
  command -v npm >/dev/null || {
    echo "test: no npm; install Node from https://nodejs.org" >&2
    exit 1
  }
  program=$(scripts/build.sh)
  npm ci --prefix tests/page --no-audit --no-fund
  exec node tests/page/browser.mjs "$program" "${@:2}"
fi
scripts/setup.sh
# Many tests wait for other processes, so that there are more than processors.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}
# In release mode, for which scripts/run.sh has compiled the program and its dependencies.
cargo test --release --locked "$@"
