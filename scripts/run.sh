#!/usr/bin/env bash
# Runs makemore-tch with the arguments given, after whatever is missing for that: libtorch
# (scripts/setup.sh) and the program itself, built in release mode.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command -v cargo >/dev/null || {
  echo "run: no cargo; install Rust from https://rustup.rs" >&2
  exit 1
}
"$root/scripts/setup.sh"
target=${CARGO_TARGET_DIR:-$root/target}
# In the project's folder, where cargo finds .cargo/config.toml. The user's folder stays for the
# program, whose files may be relative to it.
if [ -x "$target/release/makemore-tch" ]; then quiet=--quiet; else quiet=; fi
(cd "$root" && cargo build --release --locked --bin makemore-tch $quiet)
exec "$target/release/makemore-tch" "$@"
