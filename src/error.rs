//! The one error type of the library.
//!
//! Every message is one line in lower case that says what happened, where (file, line, value) and, if the
//! library can know it, what would work. The cause of an error is its source and is not repeated in the
//! message.
//!
//! Functions that compute with libtorch return [`Error::Libtorch`] if it refuses an operation or the
//! device has no room. Their `# Errors` sections do not repeat it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,

    /// A file could not be read.
    #[error("cannot read {file}")]
    Read {
        /// The file as the user named it.
        file: String,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// A file could not be written; the old contents stay, or the new file is whole.
    #[error("cannot write {}", file.display())]
    Write {
        /// The file that was to be written.
        file: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// Another program wrote a file after it was checked.
    #[error("{} was written by another program in the meantime", file.display())]
    Changed {
        /// The file that was to be replaced.
        file: PathBuf,
    },
    /// An output is also an input or another output.
    #[error("{}", same_file(one, other, *is_input))]
    SameFile {
        /// The file that would be written.
        one: PathBuf,
        /// The file that would be lost.
        other: PathBuf,
        /// Whether that is an input.
        is_input: bool,
    },
    /// A word list is a folder.
    #[error("{file} is a folder; a word list is a text file with one word a line")]
    Folder {
        /// The folder as the user named it.
        file: String,
    },
    /// A list does not have the columns that are named.
    #[error("the columns {columns}: {reason}")]
    Columns {
        /// The columns as they were named.
        columns: String,
        /// The reason.
        reason: String,
    },
    /// A line of a word list cannot be used.
    #[error("{file}:{line}: {fault}")]
    Line {
        /// The word list.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The fault.
        fault: LineFault,
    },
    /// All lines of a word list were left out.
    #[error("no words are left: lines left out: {lines}; the first is {first}")]
    AllLeftOut {
        /// The number of lines.
        lines: u64,
        /// The first one, and the reason.
        first: String,
    },
    /// A word list has no words.
    #[error("{file}: no words in it; a word list has one word a line")]
    NoWords {
        /// The word list.
        file: String,
    },
    /// All words of a list have the count 0.
    #[error(
        "{file}: all counts are 0, so that no word occurs; a column with counts above 0 would work"
    )]
    NoCounts {
        /// The word list.
        file: String,
    },
    /// A part of a model's data was looked for in another list.
    #[error("its {part} part is of {}", other_list(wanted, origin, found))]
    OtherList {
        /// The part.
        part: &'static str,
        /// The list that has it, as a [`Digest`](crate::data::Digest) is written.
        wanted: String,
        /// The name of the list that was searched.
        origin: String,
        /// The digest of the list that was searched.
        found: String,
    },
    /// A part of a model's data has no words.
    #[error("its {part} part is empty, since its list was split {shares}")]
    EmptyPart {
        /// The part.
        part: &'static str,
        /// The shares of train, dev and test.
        shares: String,
    },
    /// A part of a split has no words.
    #[error("the split {shares} leaves the {part} part of {origin} without words ({words} in all)")]
    EmptyShare {
        /// The shares of train, dev and test.
        shares: String,
        /// The part.
        part: &'static str,
        /// The name of the list.
        origin: String,
        /// The words of the list.
        words: u64,
    },
    /// A training was resumed with another list.
    #[error("trained on {}", other_list(wanted, origin, found))]
    OtherData {
        /// The list of the training, as a [`Digest`](crate::data::Digest) is written.
        wanted: String,
        /// The name of the other one.
        origin: String,
        /// The other list.
        found: String,
    },
    /// A training was resumed with another split.
    #[error(
        "its list was split {before}; another split, {now}, would train it on words that were held out"
    )]
    OtherSplit {
        /// The split of the training.
        before: String,
        /// The split asked for.
        now: String,
    },
    /// A part has both a share of a split and a list of its own.
    #[error("the split {shares} takes the {part} part from the data, and a list is that part too")]
    DoubledPart {
        /// The part.
        part: &'static str,
        /// The shares of train, dev and test.
        shares: String,
    },
    /// A training was resumed with another list as a part.
    #[error("its {part} part was {}", match was { Some(list) => format!("a list of its own ({list})"), None => "no list of its own".to_owned() })]
    OtherPart {
        /// The part.
        part: &'static str,
        /// The list of its own, as a [`Digest`](crate::data::Digest) is written.
        was: Option<String>,
    },
    /// Every word has characters that a model gives no probability.
    #[error(
        "no word is left: {0}; a list of words in the characters that the model was trained on would work"
    )]
    NoWordsLeft(UnknownWords),
    /// A step of training takes more memory than there is.
    #[error(
        "a step of {batch_size} words, of which the longest has {longest} characters, takes about {} of memory, and there are {}; fewer words a step or a list without its longest words would work",
        bytesize::ByteSize::b(*bytes).display().si(),
        bytesize::ByteSize::b(*limit).display().si()
    )]
    StepMemory {
        /// The words of a step.
        batch_size: usize,
        /// The characters of the longest word.
        longest: usize,
        /// The bytes that the step takes.
        bytes: u64,
        /// The bytes available.
        limit: u64,
    },
    /// A character cannot be the start/end token.
    #[error("{token:?} cannot mark where words begin and end: {reason}")]
    Token {
        /// The character.
        token: char,
        /// The reason.
        reason: &'static str,
    },
    /// A list has more distinct characters than a `[V, V]` matrix can have rows.
    #[error("{characters} distinct characters; at most {most} are possible")]
    TooManyCharacters {
        /// The number of characters.
        characters: usize,
        /// The limit.
        most: usize,
    },
    /// Models with different vocabularies cannot be mixed.
    #[error("models of different characters, or with different start/end tokens, cannot be mixed")]
    MixedVocabularies {
        /// The index of the first model that differs from model 0.
        model: usize,
    },
    /// A word cannot be used; the source is the reason.
    #[error("in the word {word:?}")]
    Word {
        /// The word.
        word: String,
        /// The fault.
        #[source]
        cause: Box<Error>,
    },
    /// A search for words ended before all were found.
    #[error("{why}: {found} of {wanted} were found")]
    GaveUp {
        /// The reason.
        why: String,
        /// The number of words found.
        found: u64,
        /// The number of words wanted.
        wanted: u64,
    },
    /// Wishes for words that cannot be met.
    #[error("{0}")]
    Wish(String),
    /// A text that is no regular expression, or one that takes too much memory.
    #[error("the regular expression {pattern:?}: {fault}")]
    Pattern {
        /// The text.
        pattern: String,
        /// The fault.
        fault: String,
    },
    /// A character is not in the vocabulary.
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
    /// The start/end token is inside a word.
    #[error("{token:?} marks where words begin and end, so it cannot stand inside one")]
    TokenInWord {
        /// The start/end token.
        token: char,
    },
    /// N-grams are too long to be packed into integers.
    #[error(
        "n-grams of order {order} of {characters} characters are too long; orders of 1 to {fits} would work"
    )]
    Order {
        /// The characters of an n-gram.
        order: usize,
        /// The size of the vocabulary.
        characters: usize,
        /// The highest order that fits.
        fits: usize,
    },
    /// The n-grams take more memory than there is.
    #[error(
        "n-grams of order {order} take more than the {} of memory that there is for them; {}",
        bytesize::ByteSize::b(*limit).display().si(),
        fits.map_or_else(|| "more memory would work".to_owned(), |fits| match fits { 1 => "an order of 1 would fit".to_owned(), fits => format!("orders of 1 to {fits} would fit") })
    )]
    Memory {
        /// The characters of an n-gram.
        order: usize,
        /// The bytes available.
        limit: u64,
        /// The highest order that fits, if any certainly does.
        fits: Option<usize>,
    },
    /// The n-grams of a model's file take more memory than there is.
    #[error(
        "{file}: its n-grams take more than the {} of memory that there is for them; {} would work",
        bytesize::ByteSize::b(*limit).display().si(),
        bytesize::ByteSize::b(*needed).display().si()
    )]
    ModelMemory {
        /// The file.
        file: String,
        /// The bytes available.
        limit: u64,
        /// The bytes that the n-grams take.
        needed: u64,
    },
    /// Numbers are no probability distribution.
    #[error("what follows {after:?} has no probabilities: {reason}")]
    NoDistribution {
        /// The context, as text.
        after: String,
        /// The fault of the numbers.
        reason: &'static str,
    },
    /// Other processes cannot be reached, or have ended.
    #[error("{doing}: {cause}")]
    Processes {
        /// The exchange that failed.
        doing: &'static str,
        /// The reason.
        cause: String,
    },
    /// Processes that should do the same work were not started with the same.
    #[error(
        "{what} is {first} for rank 0 and {other} for rank {rank}; all processes take the same"
    )]
    Disagreement {
        /// The name of the value.
        what: String,
        /// The value of rank 0.
        first: String,
        /// The first rank that has another one.
        rank: usize,
        /// Its value.
        other: String,
    },
    /// A value is out of range.
    #[error("{what} is {value}; {expected}")]
    Value {
        /// The name of the quantity.
        what: &'static str,
        /// The value passed.
        value: String,
        /// The values that would work.
        expected: &'static str,
    },
    /// The loss became infinite or NaN.
    #[error(
        "the loss is {loss} at {stage} {number} with learning rate {} and regularization {}",
        crate::format::float(*learning_rate),
        crate::format::float(*regularization)
    )]
    Diverged {
        /// The name of a step.
        stage: &'static str,
        /// The number of the step, from 0.
        number: u64,
        /// The learning rate of the steps up to this one.
        learning_rate: f64,
        /// The factor of `mean(W²)` in the loss.
        regularization: f64,
        /// The loss, infinite or NaN.
        loss: f32,
    },
    /// A file is not a checkpoint of ours.
    #[error("{}: not a checkpoint of makemore-tch", file.display())]
    NotACheckpoint {
        /// The file.
        file: PathBuf,
    },
    /// A file is neither a checkpoint nor an ARPA file.
    #[error("{}: neither a checkpoint of makemore-tch nor an ARPA file", file.display())]
    NotAModel {
        /// The file.
        file: PathBuf,
    },
    /// A checkpoint or weights are damaged or cannot be used.
    #[error("{}: {fault}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// The fault.
        fault: String,
    },
    /// A model cannot be put into the format of checkpoints: safetensors with metadata in JSON.
    #[error("cannot encode the checkpoint")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A line of an ARPA file cannot be used, or is the last of a file that is cut off.
    #[error("{file}:{line}: {fault}")]
    Arpa {
        /// The file as the user named it.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The fault.
        fault: String,
    },
    /// Another [`Generator`](crate::libtorch::random::Generator) of the same thread is still in use.
    #[error(
        "libtorch has one random number generator, and this thread is still drawing from it; finish with the first sampler or generator before the second"
    )]
    GeneratorInUse,
    /// A device cannot be used.
    #[error("{device} cannot be used")]
    Device {
        /// The device as [`str::parse`] takes it.
        device: String,
        /// The reason.
        #[source]
        cause: DeviceFault,
    },
    /// The name of a picture ends neither in .png nor in .svg.
    #[error("{}: a picture ends in .png or .svg", file.display())]
    PictureFormat {
        /// The file.
        file: PathBuf,
    },
    /// A picture would overwrite a file that is no picture.
    #[error("{}: there is a file that is no picture, and it is not overwritten", file.display())]
    NotAPicture {
        /// The file.
        file: PathBuf,
    },
    /// A picture could not be drawn.
    #[error("cannot draw {}: {reason}", file.display())]
    Plot {
        /// The picture.
        file: PathBuf,
        /// The fault, or the plotting library's reason.
        reason: String,
    },
    /// libtorch refused an operation, or the device has no room.
    #[error("libtorch: {0}")]
    Libtorch(String),
}

/// The fault of a line of a word list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LineFault {
    /// Bytes that are not UTF-8.
    #[error("not valid UTF-8; saving the list as UTF-8 would work")]
    Utf8,
    /// Bytes that are none of the list's encoding.
    #[error("not valid in the encoding of the list; another encoding would work")]
    Encoding,
    /// A line with too few columns.
    #[error("the line has {found} column{}, and column {wanted} is wanted", if *found == 1 { "" } else { "s" })]
    Column {
        /// The number of the column.
        wanted: usize,
        /// The columns of the line.
        found: usize,
    },
    /// A first line that does not name the columns, as that of the first file does.
    #[error(
        "the first line is not that of the first file, which names the columns; files with the same columns would work"
    )]
    Header,
    /// A count that is no whole number.
    #[error("the count {0:?} is no whole number from 0")]
    Count(String),
    /// A count that has more than 64 bits.
    #[error("the count {0} is too large; at most 2^53, which is 9,007,199,254,740,992, would work")]
    LargeCount(String),
    /// The start/end token inside a word.
    #[error(
        "the word has a {0:?} in it, which marks where words begin and end; another start/end token would work"
    )]
    Token(char),
    /// A tab inside a word, in a list that looks as if it had the columns named.
    #[error("a control character ({}) in the word", named('\t'))]
    Tab(String),
    /// A control character inside a word.
    #[error("a control character ({}) in the word", named(*.0))]
    Control(char),
    /// A word that is too long.
    #[error("the word is too long; {0} characters at most would work, one word a line")]
    TooLong(usize),
    /// One distinct character too many.
    #[error(
        "more than {0} distinct characters up to here; a list of words in one or a few scripts would work"
    )]
    TooManyCharacters(usize),
    /// Words of a list with counts that take more memory than there is.
    #[error(
        "the distinct words up to here take more than the {} of memory that there is for them",
        bytesize::ByteSize::b(*.0).display().si()
    )]
    Memory(u64),
    /// A word with a character that a vocabulary lacks.
    #[error("{0:?} has characters that the model does not know")]
    Unknown(String),
}

/// Words that are left out, since they have characters that a model gives no probability. Displayed as
/// their number and the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWords {
    /// The number of words.
    pub words: u64,
    /// The first of them.
    pub first: String,
    /// The list that the first is in and its line, counted from 1; none for a word that is in no list.
    pub line: Option<(String, usize)>,
}

impl fmt::Display for UnknownWords {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { words, first, line } = self;
        write!(
            f,
            "{words}, which have characters that the model does not know; the first is {first:?}"
        )?;
        match line {
            Some((file, line)) => write!(f, " ({file}:{line})"),
            None => Ok(()),
        }
    }
}

/// The message of a list in place of another, whose sizes may be the same.
fn other_list(wanted: &str, origin: &str, found: &str) -> String {
    match wanted == found {
        true => format!(
            "another list than {origin}, with other words, another order or other counts ({found} as well)"
        ),
        false => format!("another list ({wanted}) than {origin} ({found})"),
    }
}

/// The message of [`Error::SameFile`].
fn same_file(one: &Path, other: &Path, is_input: bool) -> String {
    match one == other {
        true if is_input => format!("{} is an input, which would be overwritten", one.display()),
        true => format!("{} is given twice", one.display()),
        false => format!(
            "{} and {} are the same file",
            one.display(),
            other.display()
        ),
    }
}

/// The code point of a control character, and its name if it is common in lists.
fn named(control: char) -> String {
    let name = match control {
        '\t' => ", a tab",
        '\0' => ", a zero byte",
        _ => "",
    };
    format!("U+{:04X}{name}", u32::from(control))
}

/// The reason why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// The libtorch that is linked has no CUDA parts beside its CPU parts.
    #[error("libtorch has no CUDA parts ({0})")]
    NoCudaParts(String),
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// Whether a word has a character that the vocabulary lacks, or the start/end token.
    pub fn is_unknown_character(&self) -> bool {
        match self {
            Self::Word { cause, .. } => matches!(
                **cause,
                Self::UnknownCharacter { .. } | Self::TokenInWord { .. }
            ),
            _ => false,
        }
    }
}

impl From<tch::TchError> for Error {
    /// Keeps the first line of the message: the others are a C++ stack trace.
    fn from(error: tch::TchError) -> Self {
        let message = match error {
            tch::TchError::Torch(message) => message,
            other => other.to_string(),
        };
        let first = message.lines().next().unwrap_or_default();
        Error::Libtorch(first.trim_end().to_owned())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::Encode(error.into())
    }
}

impl From<safetensors::SafeTensorError> for Error {
    fn from(error: safetensors::SafeTensorError) -> Self {
        Error::Encode(error.into())
    }
}

/// The result of a fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
