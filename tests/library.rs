//! The library in a crate of its own, as the README shows it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::common::Folder;

/// The blocks of code of the README's section.
fn files() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## As a library\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let blocks = section.split("```").skip(1).step_by(2);
    let files = blocks.map(|block| block.split_once('\n').unwrap().1.to_owned());
    files.collect()
}

/// The folder in which this test was built, where all dependencies are.
fn target() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// What has cargo find the dependencies that this test was built with: the same features, though a user's
/// crate does without those of the program, and the same profiles.
fn as_here() -> String {
    let manifest = include_str!("../Cargo.toml");
    let from = |start: &str, end: &str| {
        let (_, rest) = manifest.split_once(start).unwrap();
        rest.split(end).next().unwrap().to_owned()
    };
    let dependencies = from("\n[dependencies]\n", "\n[dev-dependencies]");
    let dependencies = dependencies.replace(", optional = true", "");
    let tests = from("\n[dev-dependencies]\n", "\n[");
    let profiles = from("\n[profile.dev]\n", "\n# The fuzz targets");
    let quick = "[profile.release.package.makemore-tch]\nopt-level = 0\ndebug-assertions = false";
    format!(
        "[workspace]\nresolver = \"1\"\n[dev-dependencies]\n{dependencies}{tests}\n{quick}\n[profile.dev]\n{profiles}"
    )
}

/// Compiles this crate once more, with its C++, so that `.ci/run` alone runs it.
#[test]
#[ignore = "takes half a minute of two processors"]
fn the_readmes_crate_is_built_and_draws_words() {
    let folder = Folder::new();
    let [manifest, config, build, main] = files().try_into().unwrap();
    let here = format!("path = \"{}\"", env!("CARGO_MANIFEST_DIR"));
    let manifest = manifest.replace("path = \"../makemore-tch\"", &here);
    assert!(manifest.contains(&here));
    for folder_of in [".cargo", "src"] {
        fs::create_dir(folder.path(folder_of)).unwrap();
    }
    folder.write("Cargo.toml", manifest + &as_here());
    folder.write("Cargo.lock", include_str!("../Cargo.lock"));
    folder.write(".cargo/config.toml", config);
    folder.write("build.rs", build);
    folder.write("src/main.rs", &main);
    folder.stdout("train --type ngram --order 2");
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let mut cargo = Command::new(cargo);
    cargo.args(["run", "--quiet", "--offline"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let run = cargo
        .current_dir(folder.path(""))
        .env("CARGO_TARGET_DIR", target());
    let run = run.output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert_eq!(said, "", "warnings");
    let words = String::from_utf8(run.stdout).unwrap();
    let sample = "sample --plain -n 5 --model makemore-ngram.safetensors";
    assert_eq!(words, folder.stdout(sample));
}

/// The front page of the documentation has the same program.
#[test]
fn the_documentation_has_the_readmes_program() {
    let main = files().pop().unwrap();
    let docs: String = include_str!("../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    assert!(docs.contains(&format!("```no_run\n{main}```")), "{main}");
}
