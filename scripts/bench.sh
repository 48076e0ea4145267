#!/usr/bin/env bash
# Measures each step beside what one would use instead, in turn on this machine, and prints
# Markdown tables.
#
#   scripts/bench.sh            beside PyTorch in Python, which it installs into .venv/ (some minutes)
#   scripts/bench.sh --quick    without Python's side, in two minutes after the build
#   scripts/bench.sh --steps    training steps alone
#   scripts/bench.sh --makemore MAKEMORE.PY
#                               training steps beside those of https://github.com/karpathy/makemore too, as
#                               written and compiled (a quarter of an hour more)
set -euo pipefail

die() {
  echo "bench: $*" >&2
  exit 1
}

arguments=() python=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) arguments+=(--quick) python= ;;
    --steps) arguments+=(--steps) ;;
    --makemore)
      [ -f "${2-}" ] || die "no file '${2-}'; --makemore needs the path of makemore.py"
      makemore=$(realpath "$2")
      arguments+=(--makemore "$makemore")
      shift
      ;;
    *) die "unknown argument '$1'; --quick, --steps and --makemore MAKEMORE.PY would work" ;;
  esac
  shift
done
case "${python:-quick} ${makemore:+makemore} ${arguments[*]-}" in
  "quick makemore "*) die "--quick is without Python's side, so that --makemore has no effect; leave one out" ;;
  "yes  --steps") python= ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=$(scripts/build.sh)

if [ -n "$python" ]; then
  if [ ! -e .venv/complete ]; then
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet torch==2.13.0 numpy matplotlib
    touch .venv/complete
  fi
  if [ -n "${makemore-}" ] && [ ! -e .venv/tensorboard ]; then
    # makemore.py writes its losses with it.
    .venv/bin/python -m pip install --quiet tensorboard
    touch .venv/tensorboard
  fi
  arguments+=(--python .venv/bin/python)
fi
python3 scripts/bench.py "${arguments[@]}" "$program"
case " ${arguments[*]-} " in
  *" --quick "* | *" --steps "*) ;;
  *) cargo test --release --locked --test large -- --ignored --nocapture memory_stays_flat ;;
esac
