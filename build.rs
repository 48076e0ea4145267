//! Writes the place of libtorch into our executables (an rpath), so that they start without
//! `LD_LIBRARY_PATH`, and compiles the interface to libtorch's distributed engine. torch-sys tells the
//! place in `DEP_TCH_LIBTORCH_LIB`, to its direct dependents only.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        #[cfg(feature = "distributed")]
        compile_c10d(lib.as_ref());
    }
}

/// Compiles `src/distributed/c10d.cpp` against the headers beside libtorch's libraries.
#[cfg(feature = "distributed")]
fn compile_c10d(lib: &std::path::Path) {
    use std::env;

    println!("cargo:rerun-if-changed=src/distributed");
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
    build
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        // The wheel has no headers of Gloo.
        .include("src/distributed/gloo_forward")
        .flag_if_supported("-Wno-unused-parameter")
        // It only passes arguments on.
        .opt_level(0)
        .file("src/distributed/c10d.cpp")
        .compile("makemore_c10d");
}
