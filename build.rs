//! Writes the place of libtorch into our executables (an rpath), so that they start without
//! `LD_LIBRARY_PATH`, and compiles what we have in C++. torch-sys tells the place in `DEP_TCH_LIBTORCH_LIB`, to
//! its direct dependents only.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        for layer in ["activation", "attention", "norm", "recurrence", "rotary"] {
            println!("cargo:rerun-if-changed=src/models/layers/{layer}.cpp");
        }
        compile(lib.as_ref(), "src/models/layers/all.cpp", 3);
        // It only passes arguments on.
        #[cfg(feature = "distributed")]
        compile(lib.as_ref(), "src/distributed/c10d.cpp", 0);
    }
}

/// Compiles a file against the headers beside libtorch's libraries.
fn compile(lib: &Path, file: &str, level: u32) {
    for source in [
        file,
        "src/libtorch/guarded.h",
        "src/libtorch/loops.h",
        "src/distributed/gloo_forward",
    ] {
        println!("cargo:rerun-if-changed={source}");
    }
    for variable in ["LIBTORCH_INCLUDE", "LIBTORCH_CXX11_ABI"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let root = env::var_os("LIBTORCH_INCLUDE").map_or(lib.join(".."), Into::into);
    let include = root.join("include");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    for headers in [include.join("torch/csrc/api/include"), include] {
        // Their warnings are not ours.
        build.flag("-isystem").flag(headers);
    }
    let name = Path::new(file).file_stem().unwrap_or_default();
    build
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        // The wheel has no headers of Gloo.
        .include("src/distributed/gloo_forward")
        .flag_if_supported("-Wno-unused-parameter")
        // Comparisons with NaN set no flag that anybody asks for: loops with comparisons are vectorized too.
        .flag_if_supported("-fno-trapping-math")
        // The same figures on every processor, whether or not it multiplies and adds at once.
        .flag_if_supported("-ffp-contract=off")
        .opt_level(level)
        .file(file)
        .compile(&format!("makemore_{}", name.display()));
}
