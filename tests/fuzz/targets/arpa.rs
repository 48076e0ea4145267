//! ARPA files: whatever a file holds is refused or read, in little memory, and what was read can be
//! asked, drawn from and written, and is the same when it is read again.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use makemore_tch::arpa::{self, ReadOptions};
use makemore_tch::memory::Memory;
use makemore_tch::{LanguageModel, Ngram, SampleOptions, Sampler};
use tempfile::TempDir;

/// Inputs have some kilobytes: only counts that a file claims can make an allocation this large.
const LARGEST_ALLOCATION: usize = 16 << 20;

/// Refuses what is larger, which ends the process.
struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: passes every call on to the system's allocator or returns null, which says that there
// is no memory.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST_ALLOCATION {
            return std::ptr::null_mut();
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

/// The probabilities of some words.
fn probabilities(model: &Ngram) -> Vec<f32> {
    let characters = model.vocabulary().len().min(4);
    let words: Vec<Vec<usize>> = (1..characters)
        .flat_map(|one| (1..characters).map(move |other| [one, other, one, one].repeat(5)))
        .collect();
    let words: Vec<&[usize]> = words.iter().map(Vec::as_slice).collect();
    model.probabilities(&words).unwrap()
}

fn read_and_write(file: &Path, copy: &Path) {
    let Ok(model) = arpa::read(file, &ReadOptions::default(), &Memory::new(1 << 30)) else {
        return;
    };
    if let Ok(mut sampler) = Sampler::new(&model, 420, &SampleOptions::default()) {
        let _ = sampler.append_to(&mut String::new());
    }
    arpa::write(&model, &mut fs::File::create(copy).unwrap()).unwrap();
    let again = arpa::read(copy, &ReadOptions::default(), &Memory::new(1 << 30)).unwrap();
    assert_eq!(again.vocabulary(), model.vocabulary());
    for (one, other) in probabilities(&model).into_iter().zip(probabilities(&again)) {
        // Of smaller floats there are few.
        let is_close = (one - other).abs() <= 1e-4 * one.abs() + 1e-30;
        assert!(is_close || one == other, "{one} {other}");
    }
}

fuzz_target!(|data: &[u8]| {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let file = FOLDER.path().join("model.arpa");
    fs::write(&file, data).unwrap();
    read_and_write(&file, &FOLDER.path().join("copy.arpa"));
});
