#!/usr/bin/env bash
# Searches for inputs that crash the program: runs every target of tests/fuzz/Cargo.toml, then kills
# training and fills the disk (tests/faults.rs).
#
#   scripts/fuzz.sh              a minute for each target, then the faults
#   scripts/fuzz.sh SECONDS      so many seconds for each target
#
# An input that fails stays in target/fuzz/TARGET/artifacts/. What the fuzzer learns stays in
# target/fuzz/TARGET/corpus/ and serves the next run; its seeds in tests/fuzz/corpus/ stay as they are.
set -euo pipefail

die() {
  echo "fuzz: $*" >&2
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1-60}
case $seconds in
  "" | 0* | *[!0-9]*) die "'$seconds' is no number of seconds above 0; 60 would work" ;;
esac
[ $# -le 1 ] || die "unknown argument '$2'; the only one is a number of seconds"
command -v cargo >/dev/null || die "no cargo; install Rust from https://rustup.rs"
scripts/setup.sh

# The instrumentation that libFuzzer needs, which stable Rust has too. With a --target, so that it
# is not in build scripts, which are not linked to libFuzzer.
host=$(rustc -vV | sed -n 's/^host: //p')
instrumentation="--cfg fuzzing -Cpasses=sancov-module"
for argument in level=4 inline-8bit-counters pc-table trace-compares; do
  instrumentation="$instrumentation -Cllvm-args=-sanitizer-coverage-$argument"
done
# cargo names each program that it built.
programs=$(RUSTFLAGS="${RUSTFLAGS-} $instrumentation" cargo build --locked --package makemore-tch-fuzz \
  --profile fuzz --target "$host" --target-dir target/fuzz --message-format=json-render-diagnostics |
  sed -nE 's/.*"executable":"([^"]+)".*/\1/p')

failed=
while IFS= read -r program; do
  target=${program##*/}
  folder=target/fuzz/$target
  rm -rf "$folder/tmp"
  mkdir -p "$folder/corpus" "$folder/artifacts" "$folder/tmp"
  echo "fuzz: $target for $seconds s"
  status=0
  TMPDIR=$folder/tmp "$program" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=1024 -entropic_scale_per_exec_time=1 -print_final_stats=1 \
    -artifact_prefix="$folder/artifacts/" "$folder/corpus" "tests/fuzz/corpus/$target" \
    >"$folder/log" 2>&1 || status=$?
  sed -n -e 's/^stat::number_of_executed_units: */  executions: /p' \
    -e 's/^stat::new_units_added: */  finds: /p' "$folder/log"
  if [ "$status" -ne 0 ]; then
    failed="$failed $target"
    grep -A 1 -e 'panicked at' -e '^==.*ERROR' "$folder/log" >&2 || tail "$folder/log" >&2
    sed -n 's/.*Test unit written to /  the input that fails: /p' "$folder/log" >&2
  fi
done <<<"$programs"

echo "fuzz: kills and a full disk"
cargo test --release --locked --test program -- --ignored --nocapture faults:: || failed="$failed faults"
[ -z "$failed" ] || die "failed:$failed"
