//! The choice of models for a list of words.
//!
//! N-grams and small networks predict words that are held out ([`trial`]). The best of each, with the
//! weights under which they are best together, are trained on all words ([`choose`]). What is tried is a
//! [`plan`] that follows from the list and the seed alone, so that a list gets the same models again.
//! [`beside`] tells a network's training what n-grams would have predicted.

pub mod beside;
pub mod choose;
pub mod plan;
pub mod report;
pub mod trial;
