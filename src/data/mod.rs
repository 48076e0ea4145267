//! Word lists: the rules for words, the sources of lists, and the index of each character.
//!
//! Order of the lecture: [`words`] (one word a line, checked), [`vocabulary`] (`stoi` and `itos`),
//! [`split`] (train, dev and test; [`shuffle`] as in the lectures), [`parts`] (lists with their split)
//! and [`word_list`] (words in memory). Behind them: [`reader`] (files and standard input, as blocks of
//! whole lines), `decompress` (gzip, zstd), [`list_format`] (encodings), [`columns`] (words among other columns, with counts), `tidy` (the rules of a word), [`digest`] (checksum and
//! sizes of a list), [`sections`] (what of a list each process reads; `united`
//! again), `pass` (reading a checked list again, on several threads), [`search`] (finding
//! words in a list).

pub mod columns;
pub(crate) mod decompress;
pub mod digest;
pub mod list_format;
pub mod parts;
pub(crate) mod pass;
pub mod reader;
pub mod search;
pub mod sections;
pub mod shuffle;
pub mod split;
pub(crate) mod tidy;
pub(crate) mod united;
pub mod vocabulary;
pub mod word_list;
pub mod words;

pub use columns::Columns;
pub use digest::Digest;
pub use list_format::ListFormat;
pub use parts::{List, Parts, SplitOf};
pub use reader::{ListFiles, Source};
pub use sections::Sections;
pub use split::{Part, Shares, Split};
pub use vocabulary::Vocabulary;
pub use word_list::{Subset, WordList};
pub use words::Words;
