//! The lectures of the *makemore* series replayed, each figure beside the published one.
//!
//! One file is one lecture, to be read beside its notebook.
//!
//! | file | notebook | video |
//! |---|---|---|
//! | [`bigram`] (after the notes), [`bigram_notebook`] | [makemore_part1_bigrams.ipynb] | [The spelled-out intro to language modeling: building makemore] |
//! | [`mlp`] | [makemore_part2_mlp.ipynb] | [Building makemore Part 2: MLP] |
//! | [`batch_norm`] | [makemore_part3_bn.ipynb] | [Building makemore Part 3: Activations & Gradients, BatchNorm] |
//! | [`backprop`] | [makemore_part4_backprop.ipynb] | [Building makemore Part 4: Becoming a Backprop Ninja] |
//! | [`wavenet`] | [makemore_part5_cnn1.ipynb] | [Building makemore Part 5: Building a WaveNet] |
//!
//! [makemore_part1_bigrams.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part1_bigrams.ipynb
//! [The spelled-out intro to language modeling: building makemore]: https://www.youtube.com/watch?v=PaCmpygFfXo
//! [makemore_part2_mlp.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part2_mlp.ipynb
//! [Building makemore Part 2: MLP]: https://www.youtube.com/watch?v=TCH_1BHY58I
//! [makemore_part3_bn.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part3_bn.ipynb
//! [Building makemore Part 3: Activations & Gradients, BatchNorm]: https://www.youtube.com/watch?v=P6sfmUTpUmc
//! [makemore_part4_backprop.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part4_backprop.ipynb
//! [Building makemore Part 4: Becoming a Backprop Ninja]: https://www.youtube.com/watch?v=q8SA3rM6ckI
//! [makemore_part5_cnn1.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part5_cnn1.ipynb
//! [Building makemore Part 5: Building a WaveNet]: https://www.youtube.com/watch?v=t3YJ5hKiMQ0
//!
//! Lecture 1 has a second source, learning notes on it: their sections are "Load data", "Numericallization",
//! "Frequency", "Maximum Likelihood", "Training Data Preparation", "Understanding Weights" and "Optimization".
//! The [`Location`] of each figure names its section, or its notebook and cell.
//!
//! `tests/examples/lecture1.rs` to `lecture5.rs` are the lectures in plain `tch`, with nothing of this crate; each
//! [`Section`] has the lines of them that make its figures, which `excerpt` finds.
//!
//! All figures but the published ones are computed. `replay` starts a lecture, `stage` has its sections
//! and their audience, and `figures` compares ours with the published ones. Lectures 2 to 5 share
//! `data` (the datasets), `layers` (the networks and their step), `training` (the crate's loop on random
//! batches) and `names` (sampling); `bigram_pictures` draws those of lecture 1.
//! `bit_for_bit` computes the same figures faster.

pub mod backprop;
pub mod batch_norm;
pub mod bigram;
pub mod bigram_notebook;
mod bigram_pictures;
mod bit_for_bit;
mod data;
mod excerpt;
mod figures;
mod layers;
mod location;
pub mod mlp;
mod names;
mod replay;
mod stage;
mod training;
pub mod wavenet;

pub use bigram::published_average_nll;
pub use figures::{Comparison, Figure};
pub use location::{Location, Notebook};
pub use replay::{Lecture, replay};
pub use stage::{Audience, Options, Section, Training, Version};
pub use training::{QUICK_STEPS, STEPS};
