//! Training by gradient descent.
//!
//! A [`corpus`] is what it learns from. [`full_batch`] is the notes' training, all [`examples`] (`xs`, `ys`) a step, by [`sgd`] at a
//! [`rate`] that cannot diverge. [`word_batches`] is that of makemore.py's networks, some words a
//! step, by [`options`]: [`adamw`] and [`muon`] move the parameters, [`mixed`] says which moves
//! what. [`loss`] is what both make small; [`tensorboard`] shows it while it falls.

pub mod adamw;
pub mod corpus;
pub mod course;
pub mod diagnosis;
pub mod examples;
pub mod full_batch;
pub mod lesson;
pub mod lists;
pub mod loss;
pub mod mixed;
pub mod muon;
pub mod options;
pub mod rate;
pub mod run_state;
pub mod sgd;
pub mod steps;
pub mod tensorboard;
pub mod word_batches;

pub use examples::{Examples, Rows};
pub use full_batch::{EPOCH, Step, TrainOptions, Trained, WARM_UP, train};
pub use sgd::Sgd;
