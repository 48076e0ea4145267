#!/usr/bin/env bash
# Measures each step beside what one would use instead, in turn on this machine, and prints a
# Markdown table.
#
#   scripts/bench.sh            beside PyTorch in Python, which it installs into .venv/ (some minutes)
#   scripts/bench.sh --quick    without Python's side, in under a minute after the build
#   scripts/bench.sh --makemore MAKEMORE.PY
#                               training steps alone, beside those of https://github.com/karpathy/makemore
set -euo pipefail

die() {
  echo "bench: $*" >&2
  exit 1
}

case "$# ${1-}" in
  "0 " | "1 --quick") ;;
  "1 --makemore") die "--makemore needs the path of makemore.py" ;;
  "2 --makemore")
    [ -f "$2" ] || die "no file '$2'; --makemore needs the path of makemore.py"
    makemore=$(realpath "$2")
    ;;
  *) die "unknown arguments '$*'; --quick, --makemore MAKEMORE.PY or none would work" ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=$(scripts/build.sh)

if [ "${1-}" = --quick ]; then
  exec python3 scripts/bench.py --quick "$program"
fi
if [ ! -e .venv/complete ]; then
  rm -rf .venv
  python3 -m venv .venv
  .venv/bin/python -m pip install --quiet torch==2.13.0 numpy matplotlib
  touch .venv/complete
fi
if [ "${1-}" = --makemore ]; then
  if [ ! -e .venv/tensorboard ]; then
    # makemore.py writes its losses with it.
    .venv/bin/python -m pip install --quiet tensorboard
    touch .venv/tensorboard
  fi
  exec python3 scripts/bench.py --python .venv/bin/python --makemore "$makemore" "$program"
fi
python3 scripts/bench.py --python .venv/bin/python "$program"
cargo test --release --locked --test large -- --ignored --nocapture memory_stays_flat
