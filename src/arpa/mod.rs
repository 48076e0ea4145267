//! N-gram models as ARPA files, the format that KenLM, SRILM and others read and write.
//!
//! A file lists for each n-gram the logarithm to base 10 of its probability, the n-gram, and the
//! logarithm of its backoff. What is a word there is a character here; `<s>` and `</s>` are the
//! start/end token, `<unk>` is a character that the vocabulary does not have.
//!
//! [`read`] is for files that anyone has written, [`write()`] for ours; `token` has the characters as
//! they stand in a file, `lines` its lines.
//!
//! Sources: SRILM's manual page *ngram-format(5)*; KenLM's `lm/read_arpa.cc`, whose strictness is
//! ours.

mod lines;
mod read;
mod token;
mod write;

pub use read::read;
pub(crate) use read::read_from;
pub use write::write;
