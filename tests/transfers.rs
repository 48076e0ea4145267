//! What a training step moves to its device, and whether it waits for it, counted on a processor by the names of
//! the operations that libtorch runs. Layers that a processor computes by loops of ours, as attention and
//! recurrences, run other operations on a GPU, which are not seen here.

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::process::Command;

use libloading::{Library, Symbol};
use makemore_tch::data::word_list::WordList;
use makemore_tch::models::kinds::KINDS;
use makemore_tch::models::kinds::kind::Preset;
use makemore_tch::models::{Config, Network};
use makemore_tch::train::options::WordOptions;
use makemore_tch::train::steps::Learner;
use makemore_tch::train::word_batches::WordBatches;
use makemore_tch::{Vocabulary, Words};
use tch::{Device, Tensor};

use crate::common::Folder;

/// The functions of transfers.cpp.
struct Transfers(Library);

impl Transfers {
    fn compile(folder: &Folder) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = folder.path("transfers.so");
        let include = Path::new(env!("LIBTORCH")).join("include");
        let mut compiler = Command::new(std::env::var_os("CXX").unwrap_or("c++".into()));
        compiler.args(["-std=c++17", "-O1", "-DNDEBUG", "-shared", "-fPIC"]);
        if cfg!(target_os = "macos") {
            compiler.args(["-undefined", "dynamic_lookup"]);
        }
        compiler.arg("-isystem").arg(include).arg("-o");
        compiler.arg(&library).arg(here.join("tests/transfers.cpp"));
        assert!(compiler.status().unwrap().success());
        // SAFETY: the library has nothing that runs as it is loaded.
        Self(unsafe { Library::new(library) }.unwrap())
    }

    /// How often some work moves tensors and waits for the device.
    fn of(&self, work: impl FnOnce()) -> [usize; 2] {
        let [mut moved, mut waited] = [0; 2];
        // SAFETY: the types are those of transfers.cpp, and the places are ours.
        unsafe {
            let begin: Symbol<unsafe extern "C" fn() -> *const c_char> =
                self.0.get("transfers_begin").unwrap();
            let end: Symbol<unsafe extern "C" fn(*mut usize, *mut usize) -> *const c_char> =
                self.0.get("transfers_end").unwrap();
            check(begin());
            work();
            check(end(&raw mut moved, &raw mut waited));
        }
        [moved, waited]
    }
}

fn check(fault: *const c_char) {
    // SAFETY: a message is a string.
    let message = (!fault.is_null()).then(|| unsafe { CStr::from_ptr(fault) });
    assert!(message.is_none(), "{message:?}");
}

/// A device works on while the processor prepares the next step, which ends with each of these.
#[test]
fn a_step_moves_its_batch_at_once_and_waits_for_nothing() {
    let folder = Folder::new();
    let transfers = Transfers::compile(&folder);
    // What is counted at all.
    let ones = Tensor::from_slice(&[1.0_f32]);
    assert_eq!(transfers.of(|| drop(ones.to_device(Device::Cpu))), [1, 0]);
    assert_eq!(
        transfers.of(|| assert_eq!(ones.double_value(&[0]), 1.0)),
        [0, 1]
    );

    let names = Words::lecture('.').unwrap();
    let vocabulary = Vocabulary::of(&names).unwrap();
    let mut words = WordList::default();
    for word in names.iter() {
        words.push(word, 1, &vocabulary).unwrap();
    }
    for &kind in KINDS {
        for preset in [Preset::Makemore, Preset::NAMES] {
            let sizes = kind.default_sizes(words.longest(), preset);
            let network =
                Network::new(vocabulary.clone(), Config::new(kind, sizes), 1, Device::Cpu);
            let network = network.unwrap();
            let options = WordOptions {
                dropout: 0.1,
                batch_size: 32,
                threads: 1,
                ..WordOptions::of(&kind.recipe(&sizes))
            };
            let mut training = WordBatches::new(&network, &words, options).unwrap();
            let mut steps = |range: std::ops::Range<u64>| {
                for step in range {
                    let _loss = training.step(step, 1e-3).unwrap();
                }
            };
            steps(0..1);
            assert_eq!(transfers.of(|| steps(1..4)), [3, 0], "{}", kind.name());
        }
    }
}
