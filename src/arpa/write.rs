//! Writing ARPA files.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::token::{END, START, UNKNOWN, text_of};
use crate::models::language_model::LanguageModel;
use crate::models::ngram::Ngram;
use crate::models::ngram::trie::Node;
use crate::models::ngram::view::View;

/// The logarithm of a probability of 0, as SRILM writes it.
const IMPOSSIBLE: f32 = -99.0;

/// Writes a model, with n-grams in the order of their characters.
///
/// # Errors
///
/// Errors of the writer.
pub fn write(model: &Ngram, to: &mut dyn Write) -> io::Result<()> {
    let characters = model.vocabulary().characters()[1..].iter();
    let characters = characters.map(|&character| text_of(character));
    let mut writer = Writer {
        view: model.view(),
        tokens: characters.collect(),
        line: String::new(),
        to,
    };
    writeln!(writer.to, "\\data\\")?;
    for (index, ngrams) in model.ngrams().into_iter().enumerate() {
        writeln!(writer.to, "ngram {}={ngrams}", index + 1)?;
    }
    for length in 1..=writer.view.order() {
        writeln!(writer.to, "\n\\{length}-grams:")?;
        match length {
            1 => writer.characters()?,
            _ => writer.ngrams(Node::ROOT, "", length)?,
        }
    }
    writeln!(writer.to, "\n\\end\\")
}

struct Writer<'a> {
    view: &'a View,
    /// The texts of the characters, from index 1 on.
    tokens: Vec<String>,
    line: String,
    to: &'a mut dyn Write,
}

impl Writer<'_> {
    fn characters(&mut self) -> io::Result<()> {
        let p = self.view.levels[0].p.clone();
        let unknown = self.tokens.len() + 1;
        if let Some(&p) = p.get(unknown) {
            self.line(p, UNKNOWN, self.backoff(1, unknown))?;
        }
        // The start token is never predicted, so its probability is written as 1; nothing follows the
        // end token, so its backoff is 1.
        self.line(1.0, START, self.backoff(1, 0))?;
        self.line(p[0], END, self.backoff(1, 0).map(|_| 1.0))?;
        for (token, index) in self.tokens.clone().iter().zip(1..) {
            self.line(p[index], token, self.backoff(1, index))?;
        }
        Ok(())
    }

    /// Writes the n-grams of a length that begin with that of a node.
    fn ngrams(&mut self, node: Node, before: &str, length: usize) -> io::Result<()> {
        let mut tokens = String::new();
        for index in self.view.trie.children(node) {
            let child = Node {
                length: node.length + 1,
                index,
            };
            let last = usize::from(self.view.trie.level(child.length).last[index]);
            let token = match last.checked_sub(1) {
                None if node == Node::ROOT => START,
                None => END,
                Some(place) => self.tokens.get(place).map_or(UNKNOWN, String::as_str),
            };
            tokens.clear();
            tokens.push_str(before);
            tokens.push_str(token);
            if child.length < length {
                tokens.push(' ');
                self.ngrams(child, &tokens, length)?;
            } else {
                let p = self.view.levels[length - 1].p[index];
                self.line(p, &tokens, self.backoff(length, index))?;
            }
        }
        Ok(())
    }

    /// Writes a line, without a backoff where there is none.
    fn line(&mut self, p: f32, tokens: &str, backoff: Option<f32>) -> io::Result<()> {
        self.line.clear();
        // As in KenLM: the shortest digits that read back as the same f32.
        let _ = write!(self.line, "{}\t{tokens}", log10(p).min(0.0));
        if let Some(backoff) = backoff {
            let _ = write!(self.line, "\t{}", log10(backoff));
        }
        self.line.push('\n');
        self.to.write_all(self.line.as_bytes())
    }

    /// The backoff of an n-gram; none if it is one of the longest.
    fn backoff(&self, length: usize, index: usize) -> Option<f32> {
        let backoff = self.view.levels[length - 1].backoff.get(index)?;
        // Stored backoffs are in the view's unit, `1 / V` for additive models; those of a file are not.
        let units = (1.0 / self.view.unit).round();
        Some(backoff * units as f32)
    }
}

/// The logarithm of a number that is stored as [`small`](crate::models::ngram::small) says.
fn log10(stored: f32) -> f32 {
    match stored {
        0.0 => IMPOSSIBLE,
        log10 if log10 < 0.0 => log10,
        number => number.log10(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Words;
    use crate::counting::tests::ngrams_of;
    use crate::memory::Memory;
    use crate::models::Smoothing;

    #[test]
    fn a_small_model_is_written_whole() {
        let words = Words::parse("list", "a b\nba\n", '.').unwrap();
        let memory = Memory::new(1 << 20);
        let model = Ngram::of(&ngrams_of(&words, 2), Smoothing::Additive(1.0), &memory).unwrap();
        let mut written = Vec::new();
        write(&model, &mut written).unwrap();
        let expected = "\\data\\
ngram 1=5
ngram 2=7

\\1-grams:
0\t<s>\t-0.17609124
-0.60206\t</s>\t0
-0.60206\t<U+0020>\t-0.09691001
-0.60206\ta\t-0.17609124
-0.60206\tb\t-0.17609124

\\2-grams:
-0.47712123\t<s> a
-0.47712123\t<s> b
-0.39794\t<U+0020> b
-0.47712123\ta </s>
-0.47712123\ta <U+0020>
-0.47712123\tb </s>
-0.47712123\tb a

\\end\\
";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}
