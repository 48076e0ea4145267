//! The tests of the program and of what its library gives, in one executable: linking libtorch and its
//! crates once is most of what they take to build. Each test has a folder of its own and starts processes
//! of its own; none changes this one's variables or folder.
//!
//! `cargo test --release --test program train::` runs one file of them.

mod arpa;
mod common;
mod completions;
mod count;
#[cfg(feature = "distributed")]
mod distributed;
mod examples;
mod faults;
mod heatmap;
mod house;
mod json;
mod lecture;
mod library;
mod makemore;
mod networks;
mod ngram;
mod page;
mod pictures;
mod sample;
mod saving;
mod score;
mod setup;
mod train;
mod transfers;
