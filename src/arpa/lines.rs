//! The lines of an ARPA file, plain or compressed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::counting::MAX_ORDER;
use crate::data::decompress::decompressed;
use crate::error::{Error, Result};
use crate::models::ngram::small;

/// The most bytes of a line; usual lines have some dozens.
const LONGEST_LINE: u64 = 1 << 16;

/// The most lines before `\data\`.
const LONGEST_PREAMBLE: usize = 1000;

/// Logarithms up to this are 0: rounding of f32 leaves small multiples of 2^-23 above it, and IRSTLM
/// writes them. KenLM reads those with `build_binary -i`.
const ROUNDING: f32 = 1e-6;

/// The most blank lines in a row.
const MOST_BLANK: usize = 1000;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

pub(super) struct ArpaLines {
    file: String,
    reader: BufReader<Box<dyn Read + Send>>,
    line: String,
    /// The number of the line that was read last, from 1 on.
    pub number: usize,
}

/// The n-gram of a line.
///
/// Probability and backoff are stored as [`small`] says.
pub(super) struct ArpaLine<'a> {
    pub p: f32,
    pub tokens: &'a [&'a str],
    /// 1 where the line has none.
    pub backoff: f32,
}

impl ArpaLines {
    pub fn of(path: &Path, opened: impl Read + Send + 'static) -> Result<Self> {
        let file = path.display().to_string();
        let reader = decompressed(opened).map_err(|cause| Error::Read {
            file: file.clone(),
            cause,
        })?;
        Ok(Self {
            file,
            reader: BufReader::with_capacity(1 << 17, reader),
            line: String::new(),
            number: 0,
        })
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line that was read last.
    pub fn line(&self) -> &str {
        self.line.trim_ascii()
    }

    /// Reads the number of n-grams of each length from the head of the file, and the line after it.
    pub fn counts(&mut self) -> Result<Vec<u64>> {
        let mut preamble = 0;
        while self.line() != "\\data\\" {
            preamble += 1;
            if self.line() == "iARPA" {
                return Err(self.fault(
                    "a file of IRSTLM on the way to ARPA; the ARPA file that compile-lm --text yes makes of it would work",
                ));
            }
            if preamble > LONGEST_PREAMBLE || !self.next()? {
                return Err(self.fault("no ARPA file: there is no line \\data\\ at its beginning"));
            }
        }
        let mut counts = Vec::new();
        loop {
            self.go_on("how many n-grams there are, and \\1-grams:")?;
            let expected = counts.len() + 1;
            let Some(count) = self.line().strip_prefix("ngram ") else {
                return match counts.is_empty() {
                    true => Err(self.fault("expected how many n-grams there are, ngram 1=COUNT")),
                    false => Ok(counts),
                };
            };
            let (length, count) = count.split_once('=').unwrap_or_default();
            match (length.trim().parse::<usize>(), count.trim().parse::<u64>()) {
                (Ok(length), Ok(count)) if length == expected => counts.push(count),
                _ => return Err(self.fault(format!("expected ngram {expected}=COUNT"))),
            }
            if counts.len() > MAX_ORDER {
                let most = format!("n-grams of more than {MAX_ORDER} characters cannot be read");
                return Err(self.fault(most));
            }
        }
    }

    /// Reads the section of n-grams of a length, from its heading to the line after it; `each` is given
    /// each n-gram.
    pub fn ngrams(
        &mut self,
        length: usize,
        counts: &[u64],
        mut each: impl FnMut(&Self, ArpaLine) -> Result<()>,
    ) -> Result<()> {
        self.require(&format!("\\{length}-grams:"))?;
        let claimed = counts[length - 1];
        let following = match length == counts.len() {
            true => "\\end\\".to_owned(),
            false => format!("\\{}-grams:", length + 1),
        };
        let wanted = format!("{length}-grams or {following}");
        let mut found = 0;
        loop {
            self.go_on(&wanted)?;
            if self.line().starts_with('\\') {
                break;
            }
            found += 1;
            if found > claimed {
                let fault = format!("more {length}-grams than the {claimed} that the file says");
                return Err(self.fault(fault));
            }
            let mut fields = self.line().split_ascii_whitespace();
            let p = self.probability(fields.next())?;
            let mut tokens = [""; MAX_ORDER];
            for token in &mut tokens[..length] {
                let missing = || self.fault(format!("expected {length} characters after a number"));
                *token = fields.next().ok_or_else(missing)?;
            }
            let tokens = &tokens[..length];
            let backoff = self.backoff(fields.next(), length == counts.len())?;
            if let Some(further) = fields.next() {
                return Err(self.fault(format!("{further:?} is too much on the line")));
            }
            each(self, ArpaLine { p, tokens, backoff })?;
        }
        match found == claimed {
            true => Ok(()),
            false => Err(self.fault(format!(
                "the file says that it has {claimed} {length}-grams, and has {found}"
            ))),
        }
    }

    /// Checks that the line read last is `line`.
    pub fn require(&self, line: &str) -> Result<()> {
        match self.line() == line {
            true => Ok(()),
            false => Err(self.fault(format!("expected the line {line}"))),
        }
    }

    /// Reads the next line; false at the end.
    fn next(&mut self) -> Result<bool> {
        let mut bytes = std::mem::take(&mut self.line).into_bytes();
        bytes.clear();
        let mut line = self.reader.by_ref().take(LONGEST_LINE);
        let read = line
            .read_until(b'\n', &mut bytes)
            .map_err(|cause| Error::Read {
                file: self.file.clone(),
                cause,
            })?;
        self.number += 1;
        if self.number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if read as u64 == LONGEST_LINE {
            return Err(self.fault(format!("a line of more than {LONGEST_LINE} bytes")));
        }
        self.line = String::from_utf8(bytes).map_err(|_| self.fault("not valid UTF-8"))?;
        Ok(read > 0)
    }

    /// Goes to the next line that is not blank.
    fn go_on(&mut self, wanted: &str) -> Result<()> {
        for _ in 0..MOST_BLANK {
            if !self.next()? {
                return Err(self.fault(format!("the file is cut off: expected {wanted}")));
            }
            if !self.line().is_empty() {
                return Ok(());
            }
        }
        Err(self.fault(format!(
            "{MOST_BLANK} blank lines where {wanted} is expected"
        )))
    }

    /// A fault of the line that was read last.
    pub fn fault(&self, fault: impl Into<String>) -> Error {
        self.fault_at(self.number, fault)
    }

    /// A fault of a line that was read before.
    pub fn fault_at(&self, line: usize, fault: impl Into<String>) -> Error {
        Error::Arpa {
            file: self.file.clone(),
            line,
            fault: fault.into(),
        }
    }

    /// A probability from its logarithm.
    fn probability(&self, field: Option<&str>) -> Result<f32> {
        let log10 = self.logarithm(field.unwrap_or_default())?;
        match log10 > ROUNDING {
            true => Err(self.fault(format!(
                "{log10} as the logarithm of a probability; none is above 0"
            ))),
            false => Ok(small::of_log10(log10.min(0.0))),
        }
    }

    /// A backoff from its logarithm.
    fn backoff(&self, field: Option<&str>, is_longest: bool) -> Result<f32> {
        let log10 = field.map_or(Ok(0.0), |field| self.logarithm(field))?;
        let backoff = small::of_log10(log10);
        if is_longest && log10 != 0.0 {
            return Err(self.fault(format!(
                "a backoff of {log10} where no n-grams are longer: this was cut from a model of longer n-grams; the whole model, or one that was trained without them, would work"
            )));
        }
        match backoff.is_finite() {
            true => Ok(backoff),
            false => Err(self.fault(format!("a backoff of {log10}"))),
        }
    }

    fn logarithm(&self, field: &str) -> Result<f32> {
        match field.parse::<f32>() {
            Ok(number) if !number.is_nan() => Ok(number),
            _ => Err(self.fault(format!("{field:?} where a logarithm is expected"))),
        }
    }
}
