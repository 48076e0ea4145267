//! Training by gradient descent.
//!
//! Read [`steps`] first: the loop that every training runs. [`full_batch`] trains the lecture's
//! network on all [`examples`] (`xs`, `ys`) in every step, by [`sgd`]; [`rate`] finds a learning rate
//! at which it cannot diverge. [`word_batches`] trains makemore.py's networks on a batch of words in
//! every step: [`adamw`] and [`muon`] update the parameters, [`mixed`] decides which updates which,
//! and [`course`] evaluates and saves the run. Both minimise a [`loss`].
//!
//! The data of a training is a [`corpus`]: [`lesson`] makes examples of it, [`lists`] the words of
//! batches. [`choice`] tries several models on a list and trains the best ones.

pub mod adamw;
pub mod choice;
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
