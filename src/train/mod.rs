//! Training by gradient descent.
//!
//! A [`corpus`] is the training data. [`full_batch`] is the notes' training, all [`examples`]
//! (`xs`, `ys`) a step, by [`sgd`] at a [`rate`] that cannot diverge. [`word_batches`] is the
//! training of makemore.py's networks, some words a step, by [`options`]: [`adamw`] and [`muon`]
//! move the parameters, [`mixed`] says which moves which. Both trainings minimise the [`loss`];
//! [`tensorboard`] shows it.

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
