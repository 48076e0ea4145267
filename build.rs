//! Writes the place of libtorch into our executables (an rpath), so that they start without
//! `LD_LIBRARY_PATH`. torch-sys tells it in `DEP_TCH_LIBTORCH_LIB`, to its direct dependents only.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    }
}
