//! Wishes that the words of a list meet only where upper and lower case are one.

use makemore_tch::models::WordConstraint;
use makemore_tch::models::automaton::Pattern;
use makemore_tch::{Error, List, Part, Parts};

use super::output::Remarks;
use super::typed::argument;

/// A wish for a text in words.
struct Wish<'w> {
    id: &'static str,
    text: &'w str,
    lower: String,
    /// A regular expression, as it is typed and where upper and lower case are one.
    patterns: Option<[Pattern; 2]>,
    /// Whether a word has the text as it is typed.
    is_met: bool,
    /// The text as the first word has it that has it in another case.
    other: Option<String>,
}

impl Wish<'_> {
    fn look_at(&mut self, word: &str) {
        let text = self.text;
        self.is_met |= match (&self.patterns, self.id) {
            (Some([typed, _]), _) => typed.matches(word),
            (None, "prefix") => word.starts_with(text),
            (None, "suffix") => word.ends_with(text),
            _ => word.contains(text),
        };
        if self.is_met || self.other.is_some() {
            return;
        }
        if let Some([_, any_case]) = &self.patterns {
            self.other = any_case.matches(word).then(|| in_any_case(text));
            return;
        }
        let mut starts = word.char_indices().map(|(start, _)| &word[start..]);
        let other = match self.id {
            "prefix" => begin(word, &self.lower),
            // As many characters as in lower case; only İ has more there.
            "suffix" => starts
                .nth_back(self.lower.chars().count() - 1)
                .filter(|&end| begin(end, &self.lower) == Some(end)),
            _ => starts.find_map(|start| begin(start, &self.lower)),
        };
        self.other = other.map(str::to_owned);
    }
}

/// A regular expression for which upper and lower case are one.
fn in_any_case(pattern: &str) -> String {
    format!("(?i){pattern}")
}

/// The beginning of a text that is `lower` in lower case.
fn begin<'t>(text: &'t str, lower: &str) -> Option<&'t str> {
    let mut wanted = lower.chars();
    for (place, character) in text.char_indices() {
        if wanted.as_str().is_empty() {
            return Some(&text[..place]);
        }
        let mut characters = character.to_lowercase();
        if !characters.all(|character| wanted.next() == Some(character)) {
            return None;
        }
    }
    wanted.as_str().is_empty().then_some(text)
}

/// A regular expression as it is typed, and where upper and lower case are one.
fn patterns(text: &str) -> Option<[Pattern; 2]> {
    let typed = Pattern::new(text).ok()?;
    Some([typed, Pattern::new(&in_any_case(text)).ok()?])
}

/// Tells the user of texts that no word of a list has as they are typed, but some in another case. The list is
/// read up to where all are found.
pub fn remark(wishes: &WordConstraint, list: &List, remarks: Remarks) -> makemore_tch::Result<()> {
    let texts = [("prefix", &wishes.prefix), ("suffix", &wishes.suffix)];
    let contains = wishes.contains.iter().map(|text| ("contains", text));
    let texts = texts.into_iter().chain(contains);
    let source = &list.source;
    if remarks.quiet || !source.is_rereadable() {
        return Ok(());
    }
    // Other texts are in lower case then, as the words are.
    let is_lower = source.format().lowercase;
    let texts = texts.filter(|_| !is_lower).map(|wish| (wish, None));
    let has_cases = |text: &&String| text.to_lowercase() != text.to_uppercase();
    let texts = texts.filter(|((_, text), _)| has_cases(text));
    let matching = wishes.matching.iter().filter(has_cases);
    let patterns = matching.filter_map(|text| Some((("matching", text), Some(patterns(text)?))));
    let wishes = texts.chain(patterns);
    let wishes = wishes.map(|((id, text), patterns)| Wish {
        id,
        text,
        lower: text.chars().flat_map(char::to_lowercase).collect(),
        patterns,
        is_met: false,
        other: None,
    });
    let mut wishes: Vec<Wish> = wishes.collect();
    if wishes.is_empty() {
        return Ok(());
    }
    let parts = Parts::whole(list.clone());
    let read = parts.each_word_here(&[Part::Train], |_, word, _| {
        wishes.iter_mut().for_each(|wish| wish.look_at(word));
        match wishes.iter().all(|wish| wish.is_met) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    });
    if !matches!(read, Err(Error::Interrupted)) {
        read?;
    }
    let unmet = wishes
        .iter()
        .filter(|wish| !wish.is_met && wish.other.is_some());
    let unmet: Vec<&Wish> = unmet.collect();
    if !unmet.is_empty() {
        let typed = unmet.iter().map(|wish| argument(wish.id, wish.text));
        let others = unmet
            .iter()
            .filter_map(|wish| Some(argument(wish.id, wish.other.as_deref()?)));
        // It does not change a regular expression.
        let has_patterns = unmet.iter().any(|wish| wish.patterns.is_some());
        remarks.say(format_args!(
            "{}: words meet {} only where upper and lower case are one; {}{} would work",
            source.origin(),
            typed.collect::<Vec<_>>().join(" "),
            others.collect::<Vec<_>>().join(" "),
            if has_patterns { "" } else { " or --lowercase" }
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// The user got words in which nothing was like the list, and no hint.
    #[test]
    fn a_wish_in_another_case_than_the_words_is_said_with_what_would_work() {
        let folder = Folder::new();
        folder.write("towns.txt", "El Paso\nElba\nRome\nbone\nSan José\nRELAY\n");
        for (wishes, works) in [
            (
                "--prefix el",
                Some(
                    "--prefix el only where upper and lower case are one; --prefix El or --lowercase",
                ),
            ),
            ("--prefix El", None),
            ("--prefix b", None),
            ("--prefix Z", None),
            ("--suffix AY", None),
            ("--suffix ay", Some("; --suffix AY or")),
            ("--suffix É", Some("; --suffix 'é' or")),
            ("--contains ELA", None),
            ("--contains S", None),
            (
                "--contains Sa --contains Ba",
                Some("meet --contains Ba only"),
            ),
            ("--prefix r --suffix E", Some("; --prefix R --suffix e or")),
            ("--prefix el --lowercase", None),
            ("--matching El.*", None),
            (
                "--matching el.*",
                Some("; --matching '(?i)el.*' would work"),
            ),
            (
                "--matching EL.* --lowercase",
                Some(
                    "meet --matching 'EL.*' only where upper and lower case are one; --matching '(?i)EL.*' would",
                ),
            ),
        ] {
            for command in [
                "more towns.txt --quick -n 0",
                "sample --data towns.txt -n 0 --order 2",
            ] {
                let said = folder.run(format!("{command} {wishes}").split(' ')).stderr;
                let remark = said
                    .lines()
                    .find(|line| line.starts_with("towns.txt: words meet"));
                assert_eq!(
                    remark.is_some(),
                    works.is_some(),
                    "{command} {wishes}: {said}"
                );
                assert!(
                    remark
                        .unwrap_or_default()
                        .contains(works.unwrap_or_default()),
                    "{said}"
                );
            }
        }
        let said = folder.stderr("sample --data towns.txt -n 1 --prefix el");
        assert!(said.contains("--prefix El or"), "{said}");
    }
}
