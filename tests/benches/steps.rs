//! Times training steps beside the matrix products in them, in turn, as scripts/bench.py asks for them.
//!
//! ```text
//! steps PRODUCTS KIND ours|makemore
//! ```
//!
//! `PRODUCTS` is products.cpp, compiled. A line of JSON tells the sizes; then for each line of words on standard
//! input, which are a batch, a line tells the milliseconds of a step on one thread and of its products alone, which
//! are the least that a step takes with this libtorch.

use std::ffi::{CStr, c_char};
use std::hint::black_box;
use std::io::stdin;
use std::time::Duration;
use std::{env, mem};

use libloading::{Library, Symbol};
use makemore_tch::data::word_list::WordList;
use makemore_tch::libtorch::threads;
use makemore_tch::models::kinds::{kind::Preset, named};
use makemore_tch::models::{Config, Network};
use makemore_tch::train::options::WordOptions;
use makemore_tch::train::steps::Learner;
use makemore_tch::train::word_batches::WordBatches;
use makemore_tch::{Vocabulary, Words};
use serde_json::json;
use tch::Device;

/// How long a batch is measured.
const MEASURED: Duration = Duration::from_millis(400);

/// How long one side is measured before it is the other's turn.
const TURN: Duration = Duration::from_millis(10);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [library, kind, preset] = arguments.as_slice() else {
        // `cargo bench` runs it without them.
        return println!("scripts/bench.sh --steps times training steps");
    };
    threads::use_one();
    let products = Products::load(library);
    let kind = named(kind).unwrap();
    let preset = match preset.as_str() {
        "makemore" => Preset::Makemore,
        _ => Preset::NAMES,
    };
    let names = Words::lecture('.').unwrap();
    let vocabulary = Vocabulary::of(&names).unwrap();
    let mut all = WordList::default();
    for word in names.iter() {
        all.push(word, 1, &vocabulary).unwrap();
    }
    let sizes = kind.default_sizes(all.longest(), preset);
    let options = match preset {
        Preset::Makemore => WordOptions::default(),
        Preset::Ours(_) => WordOptions::of(&kind.recipe(&sizes)),
    };
    let config = Config::new(kind, sizes);
    let network = Network::new(vocabulary.clone(), config, 3407, Device::Cpu).unwrap();
    let about = json!({
        "sizes": sizes,
        "named": kind.sizes(),
        "batch_size": options.batch_size,
    });
    println!("{about}");
    for line in stdin().lines() {
        let mut batch = WordList::default();
        for word in line.unwrap().split_whitespace() {
            batch.push(word, 1, &vocabulary).unwrap();
        }
        println!("{}", round(&network, &batch, options, &products));
    }
}

/// The times of a batch.
fn round(
    network: &Network,
    batch: &WordList,
    options: WordOptions,
    products: &Products,
) -> serde_json::Value {
    let mut training = WordBatches::new(network, batch, options).unwrap();
    let mut number = 0;
    let mut step = || {
        let loss = training
            .step(number, options.learning_rate.highest())
            .unwrap();
        number += 1;
        black_box(loss.double_value(&[]));
    };
    step();
    let count = products.record(&mut step);
    let (mut steps, mut floors) = (Vec::new(), Vec::new());
    let start = cpu_time();
    while cpu_time() - start < MEASURED {
        turn(&mut step, &mut steps);
        if count > 0 {
            turn(&mut || products.compute(), &mut floors);
        }
    }
    json!({ "step": least(&steps), "products": least(&floors) })
}

/// Runs one side, uncounted at first, since the other side's numbers are in the caches.
fn turn(side: &mut dyn FnMut(), times: &mut Vec<f64>) {
    side();
    let start = cpu_time();
    let mut before = start;
    while before - start < TURN {
        side();
        let after = cpu_time();
        times.push(1000.0 * (after - before).as_secs_f64());
        before = after;
    }
}

/// The processor's time that this process has taken. What else runs on the machine is not in it.
fn cpu_time() -> Duration {
    // SAFETY: of such numbers zeros are valid.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: the place is ours.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(code, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What else runs meanwhile only takes longer, by emptying the caches. Nothing for a side that was not measured.
fn least(times: &[f64]) -> Option<f64> {
    times.iter().copied().reduce(f64::min)
}

/// The functions of products.cpp.
struct Products(Library);

impl Products {
    fn load(path: &str) -> Self {
        // SAFETY: the library has nothing that runs as it is loaded.
        Self(unsafe { Library::new(path) }.unwrap())
    }

    /// Records the matrix products of a step, and tells their number.
    fn record(&self, step: impl FnOnce()) -> usize {
        let mut count = 0;
        // SAFETY: the types are those of products.cpp.
        let end: Symbol<unsafe extern "C" fn(*mut usize) -> *const c_char> =
            unsafe { self.0.get("products_end") }.unwrap();
        self.call("products_begin");
        step();
        // SAFETY: the place is ours.
        check(unsafe { end(&raw mut count) });
        count
    }

    /// Computes the recorded products.
    fn compute(&self) {
        self.call("products_compute");
    }

    fn call(&self, name: &str) {
        // SAFETY: the types are those of products.cpp.
        let function: Symbol<unsafe extern "C" fn() -> *const c_char> =
            unsafe { self.0.get(name) }.unwrap();
        // SAFETY: it takes nothing.
        check(unsafe { function() });
    }
}

/// Panics with the message of a function of products.cpp, if there is one.
fn check(fault: *const c_char) {
    // SAFETY: a message is a string.
    let message = (!fault.is_null()).then(|| unsafe { CStr::from_ptr(fault) });
    assert!(message.is_none(), "{message:?}");
}
