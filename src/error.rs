//! The one error type of the library.
//!
//! Every message is one line in lower case that says what happened, where (file, line, value)
//! and, where the library can know it, what would work.

use std::io;
use std::path::PathBuf;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {file}: {reason}")]
    Read {
        /// The file as the user named it.
        file: String,
        /// What the system said.
        reason: io::Error,
    },
    /// A file could not be written; what was there before is untouched.
    #[error("cannot write {}: {reason}", file.display())]
    Write {
        /// The file that was to be written.
        file: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A word list is a folder.
    #[error("{file} is a folder; a word list is a text file with one word a line")]
    Folder {
        /// The folder as the user named it.
        file: String,
    },
    /// A line of a word list cannot be used.
    #[error("{file}:{line}: {fault}")]
    Line {
        /// The word list.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: LineFault,
    },
    /// A word list without a single word.
    #[error("{file}: no words in it; a word list has one word a line")]
    NoWords {
        /// The word list.
        file: String,
    },
    /// The boundary character cannot also be a character of the words.
    #[error("the boundary {boundary:?} cannot be a character of the vocabulary too")]
    BoundaryInVocabulary {
        /// The boundary character.
        boundary: char,
    },
    /// More distinct characters than a `[V, V]` matrix is made for.
    #[error("{characters} distinct characters; at most {MAX_CHARACTERS} are possible")]
    TooManyCharacters {
        /// How many there are.
        characters: usize,
    },
    /// A character that the vocabulary does not have.
    #[error(
        "the character {character:?} (U+{:04X}) is not in the vocabulary, which is {vocabulary}",
        *character as u32
    )]
    UnknownCharacter {
        /// The character.
        character: char,
        /// The vocabulary, shortened where it is long.
        vocabulary: String,
    },
    /// The boundary inside a word.
    #[error("{boundary:?} marks where words begin and end, so it cannot stand inside one")]
    BoundaryInWord {
        /// The boundary character.
        boundary: char,
    },
    /// Smoothing 0 and no bigram that begins with this character: there is no distribution.
    #[error(
        "nothing ever follows {character:?} and smoothing is 0; a smoothing above 0 would work"
    )]
    EmptyRow {
        /// The character whose row of `N` is all zeros.
        character: char,
    },
    /// A model and data that do not go together.
    #[error(
        "the model's vocabulary ({model} characters) is not that of the data ({data} characters)"
    )]
    OtherVocabulary {
        /// `V` of the model.
        model: usize,
        /// `V` of the data.
        data: usize,
    },
    /// A number outside of what a function takes.
    #[error("{what} is {value}; {expected}")]
    Value {
        /// The name of the quantity.
        what: &'static str,
        /// What was passed.
        value: String,
        /// What would work.
        expected: &'static str,
    },
    /// The loss became infinite or NaN.
    #[error(
        "the loss is {loss} at {stage} {epoch} with learning rate {learning_rate}; try a lower rate"
    )]
    Diverged {
        /// `epoch` or `warm-up epoch`.
        stage: &'static str,
        /// Its number, counted from 0.
        epoch: u64,
        /// The learning rate of the steps before.
        learning_rate: f64,
        /// The loss, infinite or NaN.
        loss: f32,
    },
    /// A file is not a checkpoint of ours, or no longer the one that was written.
    #[error("{}: {fault}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// Another [`Generator`](crate::random::Generator) of the same thread is still in use.
    #[error(
        "libtorch has one random number generator, and this thread is still drawing from it; finish with the first sampler or generator before the second"
    )]
    GeneratorInUse,
    /// A device that cannot be used.
    #[error("{device} cannot be used: {reason}")]
    Device {
        /// The device as [`str::parse`] takes it.
        device: String,
        /// Exactly why.
        reason: String,
    },
    /// A picture with an ending that we do not write.
    #[error("{}: a picture ends in .png or .svg", file.display())]
    PictureFormat {
        /// The file.
        file: PathBuf,
    },
    /// A picture could not be drawn.
    #[error("cannot draw {}: {reason}", file.display())]
    Plot {
        /// The picture.
        file: PathBuf,
        /// What the plotting library said.
        reason: String,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Libtorch(String),
}

/// The largest number of distinct characters that a word list may have, the boundary not counted.
pub const MAX_CHARACTERS: usize = 4096;

/// What makes a line of a word list unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// Bytes that are not UTF-8.
    #[error("not valid UTF-8; save the list as UTF-8")]
    Utf8,
    /// The boundary character inside a word.
    #[error(
        "the word has a {0:?} in it, which marks where words begin and end; another boundary character would work"
    )]
    Boundary(char),
    /// A control character inside a word.
    #[error("a control character (U+{:04X}) in the word; remove it", *.0 as u32)]
    Control(char),
    /// One distinct character too many.
    #[error(
        "more than {MAX_CHARACTERS} distinct characters up to here; a list of words in one or a few scripts would work"
    )]
    TooManyCharacters,
}

impl From<tch::TchError> for Error {
    /// Keeps the first line: the rest is a C++ stack trace.
    fn from(error: tch::TchError) -> Self {
        let message = match error {
            tch::TchError::Torch(message) => message,
            other => other.to_string(),
        };
        let first = message.lines().next().unwrap_or_default();
        Error::Libtorch(first.trim_end().to_owned())
    }
}

/// The result of a fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
