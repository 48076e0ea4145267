#!/usr/bin/env bash
# Runs the whole test suite, after setting up libtorch where it is missing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v cargo >/dev/null || {
  echo "test: no cargo; install Rust from https://rustup.rs" >&2
  exit 1
}
scripts/setup.sh
cargo test --locked "$@"
