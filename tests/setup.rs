//! `scripts/setup.sh`, with a Python that brings its "packages" without a network
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Stands in for `python3 -m pip` and `python3 -m zipfile`; notes each call in `calls`.
const PYTHON: &str = r#"#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  "-m pip --version") [ -z "$NO_PIP" ] ;;
  "-m pip download"*)
    [ -z "$PIP_FAILS" ] || exit 1
    while [ "$1" != --dest ]; do shift; done
    touch "$2/torch.whl" ;;
  "-m zipfile -e"*)
    mkdir -p "$5/torch/lib" "$5/nvidia/cudnn/lib"
    echo "__version__ = '${VERSION-2.13.0+cu130}'" > "$5/torch/version.py"
    touch "$5/torch/lib/libtorch_cpu.so"
    [ -z "$CUDA" ] || touch "$5/nvidia/cudnn/lib/libcudnn.so.9" ;;
esac
"#;

/// A checkout with nothing but the script.
struct Checkout(TempDir);

impl Checkout {
    fn new() -> Self {
        let checkout = Self(tempfile::tempdir().unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup.sh");
        fs::create_dir(checkout.path("scripts")).unwrap();
        fs::copy(script, checkout.path("scripts/setup.sh")).unwrap();
        fs::create_dir(checkout.path("bin")).unwrap();
        checkout.program("python3", PYTHON);
        checkout.program("c++", "#!/bin/sh\n");
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn setup(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        Command::new(self.path("scripts/setup.sh"))
            .args(arguments)
            .env_remove("LIBTORCH")
            .env_remove("LIBTORCH_USE_PYTORCH")
            .env_remove("CXX")
            .env("PATH", path)
            .env("CALLS", self.path("calls"))
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |calls| calls.lines().count())
    }

    /// Everything in the checkout but what these tests put there.
    fn contents(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let ours = ["scripts", "bin", "calls"];
        names
            .filter(|name| !ours.contains(&name.as_str()))
            .collect()
    }
}

/// The last line on standard error of a run that failed.
fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    stderr.lines().last().unwrap().to_owned()
}

#[test]
fn running_it_again_does_nothing() {
    let checkout = Checkout::new();
    assert!(checkout.setup(&[], &[]).status.success());
    assert_eq!(checkout.contents(), ["libtorch"]);
    let calls = checkout.calls();
    let again = checkout.setup(&[], &[]);
    assert!(again.status.success() && again.stderr.is_empty());
    assert_eq!(checkout.calls(), calls);
}

#[test]
fn a_failed_download_leaves_nothing_and_the_next_run_works() {
    let checkout = Checkout::new();
    let failed = checkout.setup(&[], &[("PIP_FAILS", "1")]);
    assert!(failure(&failed).contains("could not download"));
    assert!(checkout.contents().is_empty());
    assert!(checkout.setup(&[], &[]).status.success());
}

#[test]
fn what_a_killed_run_left_is_removed_and_that_of_a_living_one_kept() {
    let checkout = Checkout::new();
    let living = format!(".libtorch.partial.{}", std::process::id());
    fs::create_dir(checkout.path(&living)).unwrap();
    // No process has a number above the kernel's largest, 2^22.
    fs::create_dir(checkout.path(".libtorch.partial.4194305")).unwrap();
    assert!(checkout.setup(&[], &[]).status.success());
    let mut contents = checkout.contents();
    contents.sort();
    assert_eq!(contents, [living.as_str(), "libtorch"]);
}

#[test]
fn a_wrong_version_is_replaced() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.path("libtorch/torch/lib")).unwrap();
    fs::write(
        checkout.path("libtorch/torch/version.py"),
        "__version__ = '2.12.1'\n",
    )
    .unwrap();
    fs::write(checkout.path("libtorch/torch/lib/libtorch_cpu.so"), "").unwrap();
    let output = checkout.setup(&[], &[]);
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("replacing it")
    );
    let version = fs::read_to_string(checkout.path("libtorch/torch/version.py")).unwrap();
    assert!(version.contains("2.13.0"));
    assert_eq!(checkout.contents(), ["libtorch"]);
}

#[test]
fn the_cuda_parts_replace_the_cpu_parts_and_serve_for_both() {
    let checkout = Checkout::new();
    assert!(checkout.setup(&[], &[]).status.success());
    assert!(
        checkout
            .setup(&["--cuda"], &[("CUDA", "1")])
            .status
            .success()
    );
    let calls = checkout.calls();
    assert!(checkout.setup(&["--cuda"], &[]).status.success());
    assert!(checkout.setup(&[], &[]).status.success());
    assert_eq!(checkout.calls(), calls);
}

#[test]
fn a_libtorch_of_the_users_own_is_respected() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.path("mine/lib")).unwrap();
    let mine = checkout.path("mine");
    let set = [("LIBTORCH", mine.to_str().unwrap())];
    assert!(failure(&checkout.setup(&[], &set)).contains("no lib/libtorch_cpu"));
    fs::write(checkout.path("mine/lib/libtorch_cpu.so"), "").unwrap();
    assert!(checkout.setup(&[], &set).status.success());
    assert_eq!(checkout.contents(), ["mine"]);
    assert_eq!(checkout.calls(), 0);
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let checkout = Checkout::new();
    let error = |output: &Output| {
        let line = failure(output);
        assert_eq!(
            output.stderr.iter().filter(|&&byte| byte == b'\n').count(),
            1,
            "{output:?}"
        );
        line
    };
    assert!(
        error(&checkout.setup(&[], &[("NO_PIP", "1")])).contains("python3 has no pip; install it")
    );
    assert!(
        error(&checkout.setup(&[], &[("CXX", "no-such-compiler")])).contains("no C++ compiler")
    );
    assert!(error(&checkout.setup(&["--gpu"], &[])).contains("unknown argument '--gpu'"));
    checkout.program(
        "df",
        "#!/bin/sh\necho Filesystem\necho disk 9 9 1048576 9% /\n",
    );
    let disk = error(&checkout.setup(&[], &[]));
    assert!(
        disk.contains("too little disk") && disk.contains("has 1 GB"),
        "{disk}"
    );
    assert!(checkout.contents().is_empty());
}
