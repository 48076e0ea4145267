//! The scripts: `setup.sh` with a Python that brings its "packages" without a network, `run.sh` and
//! `fuzz.sh` with a cargo that "builds" at once, and what `bench.sh` refuses.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
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

/// Stands in for cargo, as far as `scripts/build.sh` asks it: builds a program that prints where it
/// is, where it was called, and what it was called with. A `target-dir` in cargo's configuration
/// is the variable CONFIGURED here.
const CARGO: &str = r#"#!/bin/sh
target=${CARGO_TARGET_DIR:-${CONFIGURED:-target}}
case $target in /*) ;; *) target=$PWD/$target ;; esac
escaped=$(printf %s "$target" | sed 's/["\\]/\\&/g')
case "$*" in
  *--profile\ fuzz*)
    for name in one other; do
      printf '#!/bin/sh\necho "$0" >> "$CALLS"\n' > "$name"
      chmod +x "$name"
      printf '{"reason":"compiler-artifact","executable":"%s"}\n' "$PWD/$name"
    done ;;
  metadata*) printf '{"packages":[],"target_directory":"%s"}\n' "$escaped" ;;
  build*)
    [ -z "$BUILD_FAILS" ] || exit 101
    case "$*" in *--quiet*) ;; *) echo Compiling >&2 ;; esac
    mkdir -p "$target/$TRIPLE/release"
    cat > "$target/$TRIPLE/release/makemore-tch" << 'END'
#!/bin/sh
printf '%s\n' "$0" "$PWD" "$@"
END
    chmod +x "$target/$TRIPLE/release/makemore-tch"
    echo '{"reason":"compiler-artifact","filenames":["lib.rlib"],"executable":null,"fresh":true}'
    printf '{"reason":"compiler-artifact","executable":"%s","fresh":false}\n' \
      "$escaped/${TRIPLE:+$TRIPLE/}release/makemore-tch"
    echo '{"reason":"build-finished","success":true}' ;;
esac
"#;

/// Runs a command to its end.
fn output(mut command: Command) -> Output {
    command.output().unwrap()
}

/// A checkout with nothing but the scripts.
struct Checkout(TempDir);

impl Checkout {
    fn new() -> Self {
        let checkout = Self(tempfile::tempdir().unwrap());
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        fs::create_dir(checkout.path("scripts")).unwrap();
        for script in [
            "setup.sh",
            "build.sh",
            "run.sh",
            "fuzz.sh",
            "bench.sh",
            "scaling.sh",
        ] {
            symlink(scripts.join(script), checkout.path("scripts").join(script)).unwrap();
        }
        fs::create_dir(checkout.path("bin")).unwrap();
        checkout.program("python3", PYTHON);
        checkout.program("cargo", CARGO);
        checkout.program("rustc", "#!/bin/sh\necho host: some-unknown-none\n");
        checkout.program("c++", "#!/bin/sh\n");
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a program by another process. If this one had it open, so would each process that another
    /// test starts meanwhile, for a moment, and the program could not be run ("Text file busy").
    fn program(&self, name: &str, text: &str) {
        let status = Command::new("sh")
            .args(["-c", r#"printf %s "$1" > "$0" && chmod +x "$0""#])
            .arg(self.path("bin").join(name))
            .arg(text)
            .status();
        assert!(status.unwrap().success());
    }

    fn script(&self, name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new(self.path("scripts").join(name));
        for inherited in [
            "LIBTORCH",
            "LIBTORCH_USE_PYTORCH",
            "CXX",
            "CARGO_TARGET_DIR",
        ] {
            command.env_remove(inherited);
        }
        command
            .args(arguments)
            .env("PATH", path)
            .env("CALLS", self.path("calls"))
            .envs(variables.iter().copied());
        command
    }

    fn setup(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        output(self.script("setup.sh", arguments, variables))
    }

    /// `scripts/run.sh` with a libtorch that is there already, called in the folder `elsewhere`;
    /// returns what was said on standard error and printed on standard output.
    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        fs::create_dir_all(self.path("elsewhere")).unwrap();
        fs::create_dir_all(self.path("mine/lib")).unwrap();
        fs::write(self.path("mine/lib/libtorch_cpu.so"), "").unwrap();
        let mut run = self.script("run.sh", arguments, variables);
        run.env("LIBTORCH", self.path("mine"));
        run.current_dir(self.path("elsewhere"));
        let output = output(run);
        assert!(output.status.success(), "{output:?}");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stderr), text(output.stdout))
    }

    /// What the program of [`CARGO`] prints, built in `target` and called by `scripts/run.sh`.
    fn printed(&self, target: &str, arguments: &[&str]) -> String {
        let program = self.path(target).join("release/makemore-tch");
        let mut lines = vec![program.display().to_string()];
        lines.push(self.path("elsewhere").display().to_string());
        lines.extend(arguments.iter().map(|&argument| argument.to_owned()));
        lines.join("\n") + "\n"
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
fn the_first_run_says_how_much_it_downloads_and_how_long_it_takes() {
    for (arguments, says) in [
        (&[][..], "40 MB: about a minute at 100 Mbit/s"),
        (&["--cuda"], "4500 MB: about 7 minutes at 100 Mbit/s"),
    ] {
        let said = Checkout::new().setup(arguments, &[("CUDA", "1")]).stderr;
        let said = String::from_utf8(said).unwrap();
        assert!(said.contains(says), "{said}");
    }
    let checkout = Checkout::new();
    let (said, _) = checkout.run(&[], &[]);
    assert!(said.contains("about three minutes"), "{said}");
    let (said, _) = checkout.run(&[], &[]);
    assert!(!said.contains("minutes"), "{said}");
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

/// The one line on standard error of a run that failed.
fn error(output: &Output) -> String {
    let line = failure(output);
    let lines = output.stderr.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines, 1, "{output:?}");
    line
}

#[test]
fn a_libtorch_of_the_users_own_without_cuda_does_not_pass_for_one_with_it() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.path("mine/lib")).unwrap();
    fs::write(checkout.path("mine/lib/libtorch_cpu.so"), "").unwrap();
    let mine = checkout.path("mine");
    let set = [("LIBTORCH", mine.to_str().unwrap())];
    let error = error(&checkout.setup(&["--cuda"], &set));
    assert!(
        error.contains("no lib/libtorch_cuda in ") && error.contains("unset it to have libtorch"),
        "{error}"
    );
    fs::write(checkout.path("mine/lib/libtorch_cuda.so"), "").unwrap();
    assert!(checkout.setup(&["--cuda"], &set).status.success());
    assert_eq!(checkout.calls(), 0);
}

#[test]
fn run_leaves_the_folder_and_standard_output_to_the_program() {
    let checkout = Checkout::new();
    let arguments = ["sample", "-n", "a b", "*"];
    let (said, printed) = checkout.run(&arguments, &[]);
    assert_eq!(printed, checkout.printed("target", &arguments));
    assert!(said.contains("Compiling"), "{said}");
    let (said, printed) = checkout.run(&arguments, &[]);
    assert_eq!(printed, checkout.printed("target", &arguments));
    assert!(!said.contains("Compiling"), "{said}");
}

#[test]
fn run_finds_the_program_with_a_relative_cargo_target_dir_from_another_folder() {
    let checkout = Checkout::new();
    let (_, printed) = checkout.run(&[], &[("CARGO_TARGET_DIR", "my target")]);
    assert_eq!(printed, checkout.printed("elsewhere/my target", &[]));
}

#[test]
fn run_finds_the_program_with_a_target_dir_in_cargos_configuration() {
    let checkout = Checkout::new();
    for configured in ["build", r#"q"u\ote"#] {
        let folder = checkout.path(configured);
        let variables = [("CONFIGURED", folder.to_str().unwrap())];
        let (_, printed) = checkout.run(&[], &variables);
        assert_eq!(printed, checkout.printed(configured, &[]));
    }
}

#[test]
fn run_finds_the_program_with_a_target_in_cargos_configuration() {
    let checkout = Checkout::new();
    let variables = [("TRIPLE", "some-unknown-none")];
    checkout.run(&[], &variables);
    let (said, printed) = checkout.run(&[], &variables);
    assert_eq!(printed, checkout.printed("target/some-unknown-none", &[]));
    assert!(!said.contains("Compiling"), "{said}");
}

#[test]
fn run_fails_as_the_build_does() {
    let checkout = Checkout::new();
    let output = output(checkout.script("run.sh", &[], &[("BUILD_FAILS", "1")]));
    assert_eq!(output.status.code(), Some(101), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn fuzz_runs_every_target_that_cargo_built() {
    let checkout = Checkout::new();
    let output = output(checkout.script("fuzz.sh", &["1"], &[]));
    assert!(output.status.success(), "{output:?}");
    let calls = fs::read_to_string(checkout.path("calls")).unwrap();
    let programs = calls.lines().filter(|call| call.starts_with('/'));
    let expected = ["one", "other"].map(|name| checkout.path(name).display().to_string());
    assert_eq!(programs.collect::<Vec<_>>(), expected);
}

#[test]
fn scripts_that_measure_and_fuzz_refuse_unknown_arguments_before_they_build() {
    let checkout = Checkout::new();
    for (script, arguments, says) in [
        ("bench.sh", &["--fast"][..], "unknown argument '--fast'"),
        ("bench.sh", &["--quick", "2"], "unknown argument '2'"),
        (
            "bench.sh",
            &["--makemore", "README.md", "--quick"],
            "--quick is without Python's side",
        ),
        ("scaling.sh", &["--fast"], "unknown arguments '--fast'"),
        ("bench.sh", &["--makemore"], "needs the path of makemore.py"),
        ("bench.sh", &["--makemore", "no.py"], "no file 'no.py'"),
        ("fuzz.sh", &["soon"], "'soon' is no number of seconds"),
        ("fuzz.sh", &["1", "arpa"], "unknown argument 'arpa'"),
    ] {
        let error = error(&output(checkout.script(script, arguments, &[])));
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(checkout.calls(), 0);
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let checkout = Checkout::new();
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
