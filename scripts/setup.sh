#!/usr/bin/env bash
# Puts libtorch into libtorch/: the C++ library of the Python package torch, in the one version
# that the crate tch is made for. Running it again does nothing.
#
#   scripts/setup.sh           the CPU parts
#   scripts/setup.sh --cuda    the package with all its dependencies, for an NVIDIA GPU (Linux)
set -euo pipefail

version=2.13.0
# Nothing of Python is used, so the wheel of one Python version serves whichever runs pip here.
python_version=3.12

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")/.."

parts=cpu
case "${1-}" in
  "") ;;
  --cuda) parts=cuda ;;
  *) die "unknown argument '$1'; the only one is --cuda" ;;
esac

command -v "${CXX:-c++}" >/dev/null ||
  die "no C++ compiler (${CXX:-c++}); install one, e.g. 'sudo apt install g++', or 'xcode-select --install' on macOS"

if [ -n "${LIBTORCH_USE_PYTORCH-}" ]; then
  say "LIBTORCH_USE_PYTORCH is set: the build takes libtorch from the Python environment"
  exit 0
fi
if [ -n "${LIBTORCH-}" ]; then
  for part in cpu "$parts"; do
    for library in "$LIBTORCH/lib/libtorch_$part".*; do
      [ -e "$library" ] || die "LIBTORCH is set, but there is no lib/libtorch_$part in $LIBTORCH; correct it, or unset it to have libtorch installed here"
    done
  done
  say "LIBTORCH is set: using $LIBTORCH"
  exit 0
fi

# Whether a folder has libtorch in this version with these parts.
complete() {
  [ -f "$1/torch/version.py" ] &&
    grep -Eq "^__version__ = '${version//./\\.}[+']" "$1/torch/version.py" &&
    compgen -G "$1/torch/lib/libtorch_cpu.*" >/dev/null &&
    { [ "$parts" = cpu ] || compgen -G "$1/nvidia/cudnn/lib/libcudnn.so*" >/dev/null; }
}
if complete libtorch; then exit 0; fi

machine=$(uname -m)
case "$(uname -s) $machine" in
  "Linux x86_64" | "Linux aarch64")
    # libtorch_cpu itself is linked to the two of NVIDIA, with or without a GPU.
    packages=(
      "torch==$version manylinux_2_28_$machine"
      "nvidia-cuda-runtime==13.0.96 manylinux2014_$machine"
      "nvidia-cuda-cupti==13.0.85 manylinux_2_25_$machine"
    )
    gigabytes=3 megabytes=540
    if [ "$machine" = aarch64 ]; then megabytes=440; fi
    ;;
  "Darwin arm64")
    [ "$parts" = cpu ] || die "there is no CUDA on macOS; run scripts/setup.sh without --cuda and use --device mps"
    packages=("torch==$version macosx_14_0_arm64")
    gigabytes=2 megabytes=110
    ;;
  *) die "no libtorch package for $(uname -s) $machine; install libtorch $version yourself and set LIBTORCH to its folder" ;;
esac
if [ "$parts" = cuda ]; then gigabytes=12 megabytes=4500; fi

command -v python3 >/dev/null || die "no python3; install Python 3 with pip, e.g. 'sudo apt install python3-pip'"
python3 -m pip --version >/dev/null 2>&1 ||
  die "python3 has no pip; install it, e.g. 'sudo apt install python3-pip' or 'python3 -m ensurepip'"
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$free" -ge "$gigabytes" ] ||
  die "too little disk: libtorch needs $gigabytes GB while it is unpacked, $PWD has $free GB; free some, or set LIBTORCH to a libtorch elsewhere"

# Another run's folder is left alone while that run lives.
for leftover in .libtorch.partial.*; do
  kill -0 "${leftover##*.}" 2>/dev/null || rm -rf "$leftover"
done
partial=.libtorch.partial.$$
trap 'rm -rf "$partial"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$partial/tmp" "$partial/wheels" "$partial/libtorch"

if [ -e libtorch ]; then say "libtorch/ is not libtorch $version with the $parts parts; replacing it"; fi
minutes=$((megabytes * 8 / 100 / 60 + 1))
if [ "$minutes" = 1 ]; then minutes="about a minute"; else minutes="about $minutes minutes"; fi
say "downloading libtorch $version ($parts), $megabytes MB: $minutes at 100 Mbit/s, this once"
# Not `pip install --target`, which cannot merge two packages into one folder. pip's own temporary
# files stay on the disk that was checked.
download() {
  TMPDIR="$PWD/$partial/tmp" python3 -m pip download --disable-pip-version-check --no-cache-dir \
    --only-binary=:all: --implementation cp --python-version "$python_version" --abi "cp${python_version/./}" \
    --dest "$partial/wheels" "$@" >&2 ||
    die "pip could not download libtorch (its message is above); check the network, or update pip: python3 -m pip install --upgrade pip"
}
if [ "$parts" = cuda ]; then
  # Each dependency is published for the oldest glibc that it runs on: 2.5 to 2.28.
  platforms=(--platform "manylinux2014_$machine")
  for minor in {28..5}; do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
  download "${platforms[@]}" "torch==$version"
else
  for package in "${packages[@]}"; do
    download --no-deps --platform "${package#* }" "${package% *}"
  done
fi
say "unpacking"
for wheel in "$partial"/wheels/*.whl; do
  python3 -m zipfile -e "$wheel" "$partial/libtorch" || die "could not unpack $wheel; is the disk full?"
  rm "$wheel"
done

complete "$partial/libtorch" || die "what pip brought is not libtorch $version with the $parts parts; please report this"
if [ -e libtorch ]; then mv libtorch "$partial/replaced"; fi
mv "$partial/libtorch" libtorch
say "libtorch $version is ready"
