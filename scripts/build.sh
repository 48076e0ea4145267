#!/usr/bin/env bash
# Builds the program in release mode, after whatever is missing for that, and prints where it is.
# Says nothing else on standard output; its progress is seen on standard error.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
command -v cargo >/dev/null || {
  echo "build: no cargo; install Rust from https://rustup.rs" >&2
  exit 1
}
"$root/scripts/setup.sh"

# cargo takes it relative to the folder in which it was called, which is the user's.
case ${CARGO_TARGET_DIR-} in
  "" | /*) ;;
  *) export CARGO_TARGET_DIR="$PWD/$CARGO_TARGET_DIR" ;;
esac
# In the project's folder, where cargo finds .cargo/config.toml.
cd "$root"

# The string values of a key in JSON on standard input.
strings_of() { sed -nE 's/.*"'"$1"'":"(([^"\\]|\\.)*)".*/\1/p' | sed -E 's/\\(.)/\1/g'; }

# Only cargo knows where it builds: its configuration may name another folder or another target.
target=$(cargo metadata --no-deps --format-version 1 --locked | strings_of target_directory)
quiet=
for built in "$target"/release/makemore-tch "$target"/*/release/makemore-tch; do
  if [ -x "$built" ]; then quiet=--quiet; fi
done
if [ -z "$quiet" ]; then
  echo "build: compiling for the first time, which takes about three minutes" >&2
fi
cargo build --release --locked --bin makemore-tch --message-format=json-render-diagnostics $quiet |
  strings_of executable
