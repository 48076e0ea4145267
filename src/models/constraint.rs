//! What the characters of a word must be like.

/// A constraint on the characters of words; by default none. Lengths are numbers of characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WordConstraint {
    /// The least length.
    pub min_length: usize,
    /// The largest length; any if there is none.
    pub max_length: Option<usize>,
    /// The beginning.
    pub prefix: String,
    /// The end.
    pub suffix: String,
    /// Texts that are in the word, each anywhere in it.
    pub contains: Vec<String>,
    /// Characters that are not in the word.
    pub without: Vec<char>,
    /// Regular expressions, each of which matches the whole word.
    ///
    /// Source: <https://docs.rs/regex-syntax>, for what may be in it.
    pub matching: Vec<String>,
}

impl WordConstraint {
    /// Whether only the beginning is constrained, which every model can be asked for.
    pub fn is_prefix_alone(&self) -> bool {
        let others = Self {
            prefix: String::new(),
            ..self.clone()
        };
        others == Self::default()
    }

    /// The most characters of a word: without a largest length, twice as many as the longest word that is known
    /// has, and at least 100.
    pub fn longest(&self, known: Option<usize>) -> usize {
        let longest = known.unwrap_or(0).max(self.least()).max(LONGEST / 2);
        self.max_length.unwrap_or(longest.saturating_mul(2))
    }

    /// The least number of characters that the least length and the beginning ask for.
    pub fn least(&self) -> usize {
        self.min_length.max(self.prefix.chars().count())
    }
}

/// The least number of characters at which a draw ends.
const LONGEST: usize = 100;
