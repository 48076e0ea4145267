//! Word lists: what a word is, where lists are read from, and which character has which index.
//!
//! In the order of the lecture: [`words`] (one word a line, checked), [`vocabulary`] (`stoi` and
//! `itos`). Behind them: [`reader`] (files and standard input, as blocks of whole lines),
//! `decompress` (gzip, zstd), [`digest`] (by which a list is recognised), [`search`] (which words a
//! list has).

mod decompress;
pub mod digest;
pub mod reader;
pub mod search;
pub mod vocabulary;
pub mod words;

pub use digest::Digest;
pub use reader::Source;
pub use vocabulary::Vocabulary;
pub use words::Words;
