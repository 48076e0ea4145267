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
    /// Whether words go on to the count at the end of the line, with white space in them, as in `New York 5`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub to_count: bool,
    /// Whether the first line of each file names the columns.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_header: bool,
}

impl Columns {
    /// Finds columns that are named `WORD` or `WORD,COUNT`, by their numbers from 1 or by the names in
    /// the first of some lines. The separator is the one that most lines have equally often, or the white
    /// space between words and their counts, if only that has counts in most lines.
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
        let by_separator = Self::by(names, separator_of(&lines), &lines);
        let most_read = |columns: &Self| {
            let has_word = |line: &&&str| {
                columns
                    .of_line(line)
                    .is_ok_and(|(word, _)| !columns.is_piece(&word))
            };
            let read = lines
                .iter()
                .skip(columns.has_header.into())
                .filter(has_word);
            2 * read.count() > lines.len()
        };
        if by_separator.as_ref().is_ok_and(most_read) {
            return by_separator;
        }
        let by_space = Self::by(names, None, &lines);
        let by_space = by_space
            .ok()
            .filter(|columns| columns.to_end || columns.to_count);
        by_space.filter(most_read).map_or(by_separator, Ok)
    }

    /// Finds columns between which a separator stands.
    fn by(names: &str, separator: Option<u8>, lines: &[&str]) -> Result<Self> {
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
        let lines = &lines[lines.len().min(has_header.into())..];
        let after = |count: NonZeroUsize| word.get() == count.get() + 1;
        let before = |count: NonZeroUsize| count.get() == word.get() + 1;
        let by_space = separator.is_none();
        Ok(Self {
            word,
            count,
            separator,
            to_end: by_space && count.is_some_and(after),
            to_count: by_space && count.is_some_and(before) && is_word_to_count(lines, word.get()),
            has_header,
        })
    }

    /// The names of these columns of some lines, or their numbers where the first line has no names, for
    /// [`find`](Self::find).
    pub fn names(self, lines: &str) -> String {
        let first = lines.lines().find(|line| !line.trim().is_empty());
        let header = fields(first.unwrap_or_default(), self.separator);
        let name = |column: NonZeroUsize| match header.get(column.get() - 1) {
            Some(name) if self.has_header => name.to_string(),
            _ => column.to_string(),
        };
        let count = self.count.map(|count| format!(",{}", name(count)));
        name(self.word) + &count.unwrap_or_default()
    }

    /// Finds the same columns, by their `names`, in another list; none if no line of that has more than one
    /// column, so that each is a word.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn of_other(self, names: &str, lines: &str) -> Result<Option<Self>> {
        let found = Self::find(names, lines);
        let words = lines.lines().filter(|line| !line.trim().is_empty());
        let words: Vec<&str> = words.collect();
        let fields = words.iter().map(|line| fields(line, self.separator));
        let mut is_plain =
            separator_of(&words).is_none() && fields.clone().all(|fields| fields.len() <= 1);
        if self.has_header {
            let of_word = names.split(',').next().map(str::trim);
            let mut first = fields.flatten().take(1);
            is_plain &= found.is_err() && first.all(|name| Some(&*name) != of_word);
        }
        match is_plain {
            true => Ok(None),
            false => found.map(Some),
        }
    }

    /// Whether a word that white space parts from its count may be a piece of that, as where thousands are
    /// apart.
    fn is_piece(self, word: &str) -> bool {
        let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        let word = word.as_bytes();
        (self.to_end && is_digit(word.first())) || (self.to_count && is_digit(word.last()))
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
        if self.to_end && found == 1 && is_count(&fields[0]) {
            return Ok(("".into(), 0));
        }
        if found < last {
            return Err(LineFault::Column {
                wanted: last,
                found,
            });
        }
        let place = |count: NonZeroUsize| match self.to_count {
            true => found - 1,
            false => count.get() - 1,
        };
        let count = self.count.map(|count| &fields[place(count)]);
        let count = count.map_or(Ok(1), |count| count_of(count))?;
        let rest = || rest_after(line, self.word.get() - 1);
        let word = match (self.to_end, self.to_count) {
            (true, _) => rest().into(),
            (_, true) => without_last(rest()).into(),
            _ => fields.swap_remove(self.word.get() - 1),
        };
        Ok((word, count))
    }
}

/// The number in a column of counts.
fn count_of(field: &str) -> Result<u64, LineFault> {
    let is_whole = is_count(field);
    field.parse().map_err(|_| match is_whole {
        true => LineFault::LargeCount(shortened(field)),
        false => LineFault::Count(shortened(field)),
    })
}

fn is_count(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the words of most lines, whose columns white space separates, go from a column to the count at
/// the end of the line, with white space in them.
fn is_word_to_count(lines: &[&str], word: usize) -> bool {
    let (mut ended, mut wide, mut go_on) = (0, 0, 0);
    for line in lines {
        let fields = fields(line, None);
        ended +=
            usize::from(fields.len() > word && fields.last().is_some_and(|last| is_count(last)));
        if fields.len() > word + 1 {
            wide += 1;
            go_on += usize::from(!fields[word].starts_with(|first: char| first.is_ascii_digit()));
        }
    }
    2 * ended > lines.len() && 2 * go_on > wide
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
        // A single quote quotes nothing, as in 5" or in a word that begins with one.
        Some(separator) if line.contains('"') && line.matches('"').count().is_multiple_of(2) => {
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

/// A line without its last column, where white space stands between columns.
fn without_last(line: &str) -> &str {
    let line = line.trim_end();
    let end = line.rfind(char::is_whitespace).unwrap_or(line.len());
    line[..end].trim_end()
}

/// Names of columns of words, in the first line of a list.
const OF_WORDS: [&str; 4] = ["name", "names", "word", "words"];

/// The names of columns that some lines look as if they had, for [`Columns::find`].
pub fn guess(lines: &str) -> Option<String> {
    // The count of blank lines, which `uniq -c` writes, stands alone.
    let is_alone = |line: &str| line.is_empty() || is_count(line);
    let lines = lines.lines().filter(|line| !is_alone(line.trim()));
    let lines: Vec<&str> = lines.take(GUESSED).collect();
    let (first, others) = lines.split_first()?;
    let named = |columns: Columns, name: &dyn Fn(usize) -> String| {
        let count = columns.count.map(|count| format!(",{}", name(count.get())));
        name(columns.word.get()) + &count.unwrap_or_default()
    };
    let has_counts = |columns: &Columns| columns.count.is_some();
    let below = look(others).filter(has_counts);
    let all = look(&lines).filter(|columns| has_counts(columns) || below.is_none());
    if let Some(columns) = all.filter(|columns| !has_header(&lines, *columns)) {
        return Some(named(columns, &|column| column.to_string()));
    }
    let mut columns = below.or(all)?;
    let header = fields(first, columns.separator);
    if columns.count.is_none()
        && let Some(place) = header.iter().position(|name| is_of_words(name))
    {
        columns.word = columns.word.saturating_add(place);
    }
    let has_commas = header.iter().any(|name| name.contains(','));
    let name = |column: usize| header.get(column - 1).map(ToString::to_string);
    let name = |column: usize| match has_commas {
        true => column.to_string(),
        false => name(column).unwrap_or_default(),
    };
    Some(named(columns, &name))
}

fn is_of_words(name: &str) -> bool {
    OF_WORDS.contains(&name.to_lowercase().as_str())
}

/// Whether the first of some lines, which have no counts, names their columns: one by a name of words, one whose
/// other lines all have digits or, where all names begin with small letters, one whose other lines have capitals.
fn has_header(lines: &[&str], columns: Columns) -> bool {
    let rows = lines.iter().map(|line| fields(line, columns.separator));
    let rows: Vec<Vec<Cow<str>>> = rows.collect();
    let Some((names, others)) = rows.split_first() else {
        return false;
    };
    let has_digit = |text: &str| text.contains(|digit: char| digit.is_ascii_digit());
    let is_name = |(place, name): (usize, &Cow<str>)| {
        !name.is_empty() && !has_digit(name) && !names[..place].contains(name)
    };
    if columns.count.is_some() || others.len() < 2 || !names.iter().enumerate().all(is_name) {
        return false;
    }
    let are_small = names
        .iter()
        .all(|name| name.starts_with(char::is_lowercase));
    let is_capital = |text: &str| are_small && text.starts_with(char::is_uppercase);
    names.iter().enumerate().any(|(place, name)| {
        let all = |is_so: &dyn Fn(&str) -> bool| others.iter().all(|row| is_so(&row[place]));
        is_of_words(name) || all(&has_digit) || all(&is_capital)
    })
}

/// Columns of lines that end or begin with a number, or else have the same number of separators.
fn look(lines: &[&str]) -> Option<Columns> {
    let separators = || SEPARATORS.into_iter().map(Some).chain([None]);
    let counted = separators().find_map(|separator| look_for_counts(lines, separator));
    counted.or_else(|| {
        let is_even = |separator: &u8| {
            let mut widths = lines
                .iter()
                .map(|line| fields(line, Some(*separator)).len());
            let first = widths.next().filter(|&width| width > 1 && lines.len() > 1);
            first.is_some_and(|first| widths.all(|width| width == first))
        };
        let separator = SEPARATORS.into_iter().find(is_even)?;
        columns(1, None, Some(separator))
    })
}

/// Columns of lines that all end or begin with a number.
fn look_for_counts(lines: &[&str], separator: Option<u8>) -> Option<Columns> {
    let is_number = |field: Option<&Cow<str>>| field.is_some_and(|field| is_count(field));
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
    // `New York 5`, but neither `Mary F 5` nor `Mary female 5`.
    let is_of_name = |field: &Cow<str>| {
        field.chars().count() > 2
            && !field.contains(char::is_numeric)
            && !field.starts_with(char::is_lowercase)
    };
    let has_names = width > 2 && all(&|fields| fields[1..fields.len() - 1].iter().all(is_of_name));
    match separator {
        // Beside the counts, lists of the United States Census have shares and ranks.
        None if is_even && counts_end && !has_names => {
            columns(1, first_count.map(|place| place + 1), separator)
        }
        None if counts_end && is_word_to_count(lines, 1) => columns(1, Some(2), separator),
        Some(_) if is_even && counts_end => columns(1, Some(width), separator),
        _ if counts_begin => columns(2, Some(1), separator),
        _ => None,
    }
}

/// Columns by their numbers, for [`guess`].
fn columns(word: usize, count: Option<usize>, separator: Option<u8>) -> Option<Columns> {
    Some(Columns {
        word: NonZeroUsize::new(word)?,
        count: count.and_then(NonZeroUsize::new),
        separator,
        to_end: false,
        to_count: false,
        has_header: false,
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
        assert_eq!(read("1,2", "New York 2\nUlm  12\n"), towns);
        assert_eq!(read("town,n", "town n\nNew York 2\nUlm 12\n"), towns);
        assert_eq!(read("2,3", "1 New York 2\n2 Ulm 12\n"), towns);
        assert_eq!(read("1,2", "\"New York\",2\nUlm,12\n"), towns);
    }

    /// The quote was lost, and where the count came last, the rest of the line was in its column.
    #[test]
    fn a_quote_that_nothing_closes_is_a_character() {
        let words = counted(&[("\"Mary", 7), ("Anna", 2), ("Disk 5\"", 4)]);
        assert_eq!(read("2,1", "7\t\"Mary\n2\tAnna\n4\tDisk 5\"\n"), words);
        assert_eq!(read("1,2", "\"Mary,7\nAnna,2\nDisk 5\",4\n"), words);
    }

    /// The commas of most words were the separator, and their counts were none.
    #[test]
    fn words_with_commas_stand_beside_their_counts() {
        let towns = counted(&[("York, New", 5), ("Paris, FR", 12), ("Ulm", 3)]);
        let lines = "      5 York, New\n     12 Paris, FR\n      3 Ulm\n";
        assert_eq!(read("2,1", lines), towns);
        assert_eq!(guess(lines).as_deref(), Some("2,1"));
        let lines = "York, New 5\nParis, FR 12\nUlm 3\n";
        assert_eq!(read("1,2", lines), towns);
        assert_eq!(guess(lines).as_deref(), Some("1,2"));
        // Neither thousands that are apart nor shares become words.
        for lines in ["Mary;1 000\nAnna;2 100\n", "SMITH 1.006 1\nJONES 0.8 2\n"] {
            let columns = Columns::find("1,2", lines).unwrap();
            let fault = columns.of_line(lines.lines().next().unwrap());
            assert!(matches!(fault, Err(LineFault::Count(_))), "{lines}");
        }
    }

    #[test]
    fn columns_are_found_again_in_another_list_unless_it_has_none() {
        let lines = "name,n\nMary,5\nAnna,2\n";
        let columns = Columns::find("name,n", lines).unwrap();
        assert_eq!(columns.names(lines), "name,n");
        let other = |lines| columns.of_other("name,n", lines);
        let found = other("n;name\n5;Mary\n2;Ulm\n").unwrap().unwrap_or(columns);
        assert_eq!((found.word.get(), found.separator), (2, Some(b';')));
        assert_eq!(other("Mary\nNew York\n").unwrap(), None);
        // A header is no word, and other columns are none of these.
        assert!(other("name\nMary\n").is_err());
        assert!(other("Mary,5\nAnna,2\n").is_err());
        let columns = Columns::find("1,2", "Mary,5\nAnna,2\n").unwrap();
        assert_eq!(columns.names("Mary,5\n"), "1,2");
        assert_eq!(columns.of_other("1,2", "Mary\n\nAnna\n").unwrap(), None);
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
        // The count of blank lines is that of no word.
        let columns = Columns::find("2,1", "  2 \n  7 Mary\n 12 Bad Ems\n").unwrap();
        assert_eq!(columns.of_line("  2 "), Ok(("".into(), 0)));
        let fault = columns.of_line("Mary").unwrap_err().to_string();
        assert_eq!(fault, "the line has 1 column, and column 2 is wanted");
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
            ("New York 5\nParis 12\n", "1,2"),
            ("New York 5\nSan Jose 12\n", "1,2"),
            ("Mary F 5\nNan F 12\n", "1,3"),
            (
                "Mary female 5\nNan female 12\nJim male 3\nJo female 2\n",
                "1,3",
            ),
            ("Mary, F, 7065\nAnna, F, 2604\n", "1,3"),
            ("York, New\nParis, FR\n", "1"),
            ("\"last, first\",n\n\"a, b\",2\n\"c, d\",3\n", "1,2"),
            // The header was a word.
            ("name,team\nmary,reds\nanna,blues\n", "name"),
            ("id;Name\na;Mary\nb;Anna\n", "Name"),
            ("town,founded\nulm,854-07-22\nessen,845\n", "town"),
            ("first,last\nMary,Poe\nAnna,Roe\n", "first"),
            ("mary,reds\nanna,blues\nnan,reds\n", "1"),
            ("Rome,Lazio\nParis,Seine\nUlm,Donau\n", "1"),
            // It was `,2`, of the count of blank lines.
            ("      2 \n      7 Mary\n     12 Bad Ems\n", "2,1"),
        ] {
            assert_eq!(guess(lines).as_deref(), Some(columns));
        }
        assert_eq!(guess("New York\nBad Ems\n"), None);
        assert_eq!(guess("emma\nolivia\n"), None);
        assert_eq!(guess("Mary,F,5\nNan,F,3\n").as_deref(), Some("1,3"));
        assert_eq!(guess("route 66\nhighway\n"), None);
    }
}
