//! N-gram models as ARPA files, the format that KenLM, SRILM and others read and write.
//!
//! Each line of a file has the logarithm to base 10 of an n-gram's probability, the n-gram, and the
//! logarithm of its backoff. The words of these n-grams are single characters here. `<s>` and `</s>`
//! are the start/end token, `<unk>` is an unknown character.
//!
//! [`read`] takes files from any program, [`write()`] writes ours. `token` encodes characters as tokens,
//! `lines` parses lines.
//!
//! Sources: SRILM's manual page *ngram-format(5)*; KenLM's `lm/read_arpa.cc`, whose strictness is
//! ours.

mod lines;
mod read;
mod token;
mod write;

pub(crate) use read::read_from;
pub use read::{ReadOptions, SPACES, read};
pub use write::write;
