//! Columns of a list: which one has the words, and which one says how often each occurs.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;

use csv::{ReaderBuilder, Terminator, Trim};
use serde::{Deserialize, Serialize};

use crate::error::{Error, LineFault, Result};

/// The separators of columns, in the order in which they are tried; a semicolon goes before the comma,
/// which is in numbers too. Other lists have white space between their columns.
const SEPARATORS: [u8; 4] = [b'\t', b';', b'|', b','];

/// Columns are guessed from so many lines.
const GUESSED: usize = 1000;

/// The columns of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The column of words, from 1.
    pub word: NonZeroUsize,
    /// The column of counts, from 1, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<NonZeroUsize>,
    /// The character between columns; `None` if it is white space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<u8>,
    /// Whether words go to the end of the line, with white space in them, as after the counts of `uniq -c`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_end: bool,
    /// Whether the first line of each file names the columns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_header: bool,
}

impl Columns {
    /// Finds columns that are named `WORD` or `WORD,COUNT`, by their numbers from 1 or by the names in
    /// the first of some lines. The separator is the one that most lines have equally often.
    ///
    /// ```
    /// use makemore_tch::data::Columns;
    ///
    /// let lines = "name;sex;count\nMary;F;7065\n\"Anna\";F;2604\n";
    /// let columns = Columns::find("name,count", lines)?;
    /// assert_eq!((columns.word.get(), columns.count), (1, 3.try_into().ok()));
    /// assert_eq!(columns.separator, Some(b';'));
    /// # Ok::<(), makemore_tch::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Columns`] if the names are none, or the first line lacks them.
    pub fn find(names: &str, lines: &str) -> Result<Self> {
        let lines: Vec<&str> = lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let separator = separator_of(&lines);
        let first = lines
            .first()
            .map_or_else(Vec::new, |line| fields(line, separator));
        let refused = |reason: String| Error::Columns {
            columns: names.to_owned(),
            reason,
        };
        let names_of = names.split(',').map(str::trim).collect::<Vec<_>>();
        let number = |name: &str| name.parse::<NonZeroUsize>().ok();
        let has_header = names_of.iter().any(|name| number(name).is_none());
        let place = |name: &str| {
            let named = first.iter().position(|field| has_header && field == name);
            let named = named.and_then(|place| NonZeroUsize::new(place + 1));
            named.or(number(name)).ok_or_else(|| {
                let there: Vec<String> = first.iter().take(10).map(|name| shortened(name)).collect();
                let there = there.join(", ");
                let name = shortened(name);
                refused(format!(
                    "there is no column {name:?} in the first line ({there}); numbers from 1 would work too"
                ))
            })
        };
        let (word, count) = match names_of.as_slice() {
            [word] => (place(word)?, None),
            [word, count] => (place(word)?, Some(place(count)?)),
            _ => return Err(refused("WORD or WORD,COUNT would work".to_owned())),
        };
        if count == Some(word) {
            return Err(refused(
                "words and counts are in different columns".to_owned(),
            ));
        }
        let is_after = count.is_some_and(|count| word.get() == count.get() + 1);
        Ok(Self {
            word,
            count,
            separator,
            to_end: separator.is_none() && is_after,
            has_header,
        })
    }

    /// The word of a line, and how often it occurs: once if no column says it.
    pub(super) fn of_line(self, line: &str) -> Result<(Cow<'_, str>, u64), LineFault> {
        if line.trim().is_empty() {
            return Ok(("".into(), 0));
        }
        let mut fields = fields(line, self.separator);
        let found = fields.len();
        let last = self
            .count
            .map_or(self.word, |count| count.max(self.word))
            .get();
        if found < last {
            return Err(LineFault::Column {
                wanted: last,
                found,
            });
        }
        let count = self.count.map(|count| &fields[count.get() - 1]);
        let count = count.map_or(Ok(1), |count| {
            count
                .parse()
                .map_err(|_| LineFault::Count(shortened(count)))
        })?;
        let word = match self.to_end {
            true => rest_after(line, self.word.get() - 1).into(),
            false => fields.swap_remove(self.word.get() - 1),
        };
        Ok((word, count))
    }
}

/// The separator that most lines have equally often; `None` if most have none.
fn separator_of(lines: &[&str]) -> Option<u8> {
    let even = |separator: u8| {
        let mut widths = HashMap::<usize, usize>::new();
        for line in lines {
            let width = fields(line, Some(separator)).len();
            *widths.entry(width).or_default() += 1;
        }
        let widths = widths.into_iter().filter(|&(width, _)| width > 1);
        widths.map(|(_, lines)| lines).max().unwrap_or(0)
    };
    let best = SEPARATORS
        .into_iter()
        .rev()
        .max_by_key(|&separator| even(separator));
    best.filter(|&separator| 2 * even(separator) > lines.len())
}

/// The columns of a line, without white space around them and without quotes.
fn fields(line: &str, separator: Option<u8>) -> Vec<Cow<'_, str>> {
    match separator {
        None => line.split_whitespace().map(Cow::from).collect(),
        Some(separator) if line.contains('"') => {
            let mut reader = ReaderBuilder::new();
            let reader = reader
                .has_headers(false)
                .delimiter(separator)
                .trim(Trim::All);
            let reader = reader.terminator(Terminator::Any(b'\n'));
            let record = reader.from_reader(line.as_bytes()).into_records().next();
            let record = record.and_then(|record| record.ok()).unwrap_or_default();
            record.iter().map(|field| field.to_owned().into()).collect()
        }
        Some(separator) => {
            let fields = line.split(char::from(separator));
            fields.map(|field| field.trim().into()).collect()
        }
    }
}

/// The beginning of a field, for messages.
fn shortened(field: &str) -> String {
    match field.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &field[..end]),
        None => field.to_owned(),
    }
}

/// What follows the first columns that have white space between them.
fn rest_after(line: &str, columns: usize) -> &str {
    (0..columns).fold(line.trim_start(), |rest, _| {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        rest[end..].trim_start()
    })
}

/// The names of columns that some lines look as if they had, for [`Columns::find`].
pub fn guess(lines: &str) -> Option<String> {
    let lines = lines.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.take(GUESSED).collect();
    let (first, others) = lines.split_first()?;
    let named = |columns: Columns, name: &dyn Fn(usize) -> String| {
        let count = columns.count.map(|count| format!(",{}", name(count.get())));
        name(columns.word.get()) + &count.unwrap_or_default()
    };
    let has_counts = |columns: &Columns| columns.count.is_some();
    let below = look(others).filter(has_counts);
    let all = look(&lines).filter(|columns| has_counts(columns) || below.is_none());
    if let Some(columns) = all {
        return Some(named(columns, &|column| column.to_string()));
    }
    let columns = below?;
    let header = fields(first, columns.separator);
    let has_commas = header.iter().any(|name| name.contains(','));
    let name = |column: usize| header.get(column - 1).map(ToString::to_string);
    let name = |column: usize| match has_commas {
        true => column.to_string(),
        false => name(column).unwrap_or_default(),
    };
    Some(named(columns, &name))
}

/// Columns of lines that end or begin with a number, or have the same number of separators.
fn look(lines: &[&str]) -> Option<Columns> {
    let is_count =
        |field: &Cow<str>| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = |field: Option<&Cow<str>>| field.is_some_and(is_count);
    let separators = SEPARATORS.into_iter().map(Some).chain([None]);
    separators.into_iter().find_map(|separator| {
        let width = lines
            .first()
            .map_or(0, |line| fields(line, separator).len());
        let all = |is_so: &dyn Fn(&[Cow<str>]) -> bool| {
            let mut lines = lines.iter().map(|line| fields(line, separator));
            lines.len() > 1 && lines.all(|fields| fields.len() > 1 && is_so(&fields))
        };
        let is_even = all(&|fields| fields.len() == width);
        let first_count = (1..width).find(|&place| all(&|fields| is_number(fields.get(place))));
        let counts_end = all(&|fields| is_number(fields.last()) && !is_number(fields.first()));
        let counts_begin = all(&|fields| is_number(fields.first()) && !is_number(fields.last()));
        let (word, count) = match separator {
            // Beside the counts, lists of the United States Census have shares and ranks.
            None if is_even && counts_end => (1, first_count.map(|place| place + 1)),
            Some(_) if is_even && counts_end => (1, Some(width)),
            _ if counts_begin => (2, Some(1)),
            Some(_) if is_even => (1, None),
            _ => return None,
        };
        Some(Columns {
            word: NonZeroUsize::new(word)?,
            count: count.and_then(NonZeroUsize::new),
            separator,
            to_end: false,
            has_header: false,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &str, lines: &str) -> Vec<(String, u64)> {
        let columns = Columns::find(names, lines).unwrap();
        let lines = lines.lines().skip(columns.has_header.into());
        let read = lines.map(|line| columns.of_line(line).unwrap());
        read.map(|(word, count)| (word.into_owned(), count))
            .collect()
    }

    fn counted(words: &[(&str, u64)]) -> Vec<(String, u64)> {
        words
            .iter()
            .map(|&(word, count)| (word.to_owned(), count))
            .collect()
    }

    #[test]
    fn lists_with_counts_are_read_as_their_programs_write_them() {
        let expected = counted(&[("Mary", 7065), ("Anna", 2604)]);
        assert_eq!(read("1,3", "Mary,F,7065\nAnna,F,2604\n"), expected);
        assert_eq!(read("1,2", "Mary\t7065\nAnna\t2604\n"), expected);
        assert_eq!(
            read("name,n", "n;name\n7065;\"Mary\"\n2604; Anna\n"),
            expected
        );
        assert_eq!(read("2,1", "   7065 Mary\n   2604 Anna\n"), expected);
        assert_eq!(
            read("1,2", "Mary      7065  1.0  1\nAnna      2604  2.0  2\n"),
            expected
        );
        let towns = counted(&[("New York", 2), ("Ulm", 12)]);
        assert_eq!(read("2,1", "      2 New York\n     12 Ulm\n"), towns);
        assert_eq!(read("1,2", "\"New York\",2\nUlm,12\n"), towns);
    }

    /// One line with a tab too many made white space the separator of all.
    #[test]
    fn one_odd_line_does_not_change_the_separator() {
        let lines = "New York\t5\nBad Ems\t4\nUlm\t3\t\n";
        let expected = counted(&[("New York", 5), ("Bad Ems", 4), ("Ulm", 3)]);
        assert_eq!(read("1,2", lines), expected);
        // A blank line, and the place of a header, ended the reading of white-space columns.
        let lines = "name count\n\nMary 5\n \nUlm 3\n";
        let columns = Columns::find("name,count", lines).unwrap();
        assert_eq!(columns.of_line(""), Ok(("".into(), 0)));
        assert_eq!(columns.of_line("Mary 5"), Ok(("Mary".into(), 5)));
        let towns = counted(&[("New York", 2), ("Bad Ems", 12)]);
        assert_eq!(read("2,1", "   2 New York\n  12 Bad Ems\n"), towns);
    }

    #[test]
    fn what_is_no_count_and_no_column_is_named() {
        let columns = Columns::find("1,2", "Mary,3.318\n").unwrap();
        let fault = columns.of_line("Mary,3.318").unwrap_err();
        assert_eq!(fault, LineFault::Count("3.318".to_owned()));
        let fault = columns.of_line("Mary").unwrap_err();
        assert_eq!(
            fault,
            LineFault::Column {
                wanted: 2,
                found: 1
            }
        );
        for (names, says) in [
            ("2,2", "different columns"),
            ("name", "no column \"name\""),
            ("1,2,3", "WORD or WORD,COUNT would work"),
        ] {
            let error = Columns::find(names, "Mary,3\nAnna,2\n").unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn columns_are_guessed_where_they_are_and_nowhere_else() {
        for (lines, columns) in [
            ("Mary,F,7065\nAnna,F,2604\n", "1,3"),
            ("Mary\t7065\nAnna\t2604\n", "1,2"),
            ("name\tcount\nMary\t7065\nAnna\t2604\n", "name,count"),
            ("  7065 Mary\n  2604 Anna\n", "2,1"),
            ("Mary;F\nAnna;F\n", "1"),
            ("SMITH 1.006 1.006 1\nJONES 0.8 1.9 2\n", "1,4"),
            ("\"last, first\",n\n\"a, b\",2\n\"c, d\",3\n", "1,2"),
        ] {
            assert_eq!(guess(lines).as_deref(), Some(columns));
        }
        assert_eq!(guess("New York\nBad Ems\n"), None);
        assert_eq!(guess("emma\nolivia\n"), None);
        assert_eq!(guess("Mary,F,5\nNan,F,3\n").as_deref(), Some("1,3"));
        assert_eq!(guess("route 66\nhighway\n"), None);
    }
}
