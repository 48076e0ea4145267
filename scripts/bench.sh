#!/usr/bin/env bash
# Measures each step beside what one would use instead, in turn on this machine, and prints a
# Markdown table.
#
#   scripts/bench.sh            beside PyTorch in Python, which it installs into .venv/ (some minutes)
#   scripts/bench.sh --quick    without Python's side, in under a minute after the build
#   scripts/bench.sh --makemore MAKEMORE.PY
#                               training steps alone, beside those of https://github.com/karpathy/makemore
set -euo pipefail

if [ "${1-}" = --makemore ]; then
  makemore=$(realpath "${2:?the path of makemore.py is missing}")
fi
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
