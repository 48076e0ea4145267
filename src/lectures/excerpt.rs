//! The lines of a lecture in plain `tch`, `tests/examples/`, that make the figures of a section.
//!
//! A comment marks them with the section's name, with two spaces before the bracket: `// P = N.float()
//! [Probabilities]`. One behind code marks its line; one above marks the lines below, up to a comment that has its
//! own line, a blank line, or the end of their block. A section may have several marks.

use std::ops::Range;

/// At most so many lines of code are of one section.
const MOST: usize = 3;

/// What is before the name of a section.
const MARK: &str = "  [";

/// What stands for lines that are left out.
const LEFT_OUT: &str = "…";

/// A lecture in plain `tch`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Example {
    /// Its file in the repository.
    pub file: &'static str,
    text: &'static str,
}

macro_rules! example {
    ($file:literal) => {
        Example {
            file: concat!("tests/examples/", $file),
            text: include_str!(concat!("../../tests/examples/", $file)),
        }
    };
}

/// Those of lectures 1 to 5.
pub(super) const EXAMPLES: [Example; 5] = [
    example!("lecture1.rs"),
    example!("lecture2.rs"),
    example!("lecture3.rs"),
    example!("lecture4.rs"),
    example!("lecture5.rs"),
];

/// Lines of an example.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Excerpt {
    /// The number of the first one, from 1.
    pub number: usize,
    /// Without the indentation that they share. A line of its own, `…`, stands for those that are left out.
    pub lines: Vec<&'static str>,
}

impl Example {
    /// The lines of a section, if the example has it.
    pub fn excerpt(&self, section: &str) -> Option<Excerpt> {
        let mark = format!("{MARK}{section}]");
        let lines: Vec<Line> = self.text.lines().map(Line::of).collect();
        let marked = (0..lines.len()).filter(|&at| lines[at].comment.contains(&mark));
        let shown = marked.flat_map(|at| match lines[at].code.is_empty() {
            true => step(&lines, at + 1),
            false => at..at + 1,
        });
        let mut shown: Vec<usize> = shown.collect();
        let is_cut = shown.len() > MOST;
        shown.truncate(MOST);
        let (&first, &last) = shown.first().zip(shown.last())?;
        let indentation = shown.iter().map(|&at| lines[at].indentation()).min()?;
        let mut excerpt = Excerpt {
            number: first + 1,
            lines: Vec::new(),
        };
        let mut before = first;
        for at in shown {
            let between = lines.get(before + 1..at).unwrap_or_default();
            if between.iter().any(|line| !line.code.is_empty()) {
                excerpt.lines.push(LEFT_OUT);
            }
            excerpt.lines.push(&lines[at].code[indentation..]);
            before = at;
        }
        if is_cut || step(&lines, last).len() > 1 {
            excerpt.lines.push(LEFT_OUT);
        }
        Some(excerpt)
    }
}

/// The places of the lines from one on, up to a comment that has its own line, a blank line, or the end of their
/// block.
fn step(lines: &[Line], from: usize) -> Range<usize> {
    let rest = &lines[from..];
    let of_step = rest
        .iter()
        .take_while(|line| !line.code.is_empty() && line.indentation() >= rest[0].indentation());
    from..from + of_step.count()
}

/// A line of an example.
struct Line {
    /// What is before a comment.
    code: &'static str,
    comment: &'static str,
}

impl Line {
    fn of(line: &'static str) -> Self {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        let code = code.trim_end();
        Self { code, comment }
    }

    fn indentation(&self) -> usize {
        self.code.len() - self.code.trim_start().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &'static str) -> Option<(usize, Vec<&'static str>)> {
        let example = Example { file: "", text };
        let excerpt = example.excerpt("one");
        excerpt.map(|Excerpt { number, lines }| (number, lines))
    }

    /// Lines that were cut looked complete.
    #[test]
    fn lines_that_are_left_out_are_dots() {
        for (text, expected) in [
            ("//  [one]\na\nb\n\nc", vec!["a", "b"]),
            ("//  [one]\na\nb\n// next\nc", vec!["a", "b"]),
            ("//  [one]\n  a {\n    b\n  }\n}", vec!["a {", "  b", "}"]),
            ("//  [one]\na\nb\nc\nd", vec!["a", "b", "c", "…"]),
            ("a //  [one]\n\nb", vec!["a"]),
            ("a //  [one]\nb", vec!["a", "…"]),
            ("a //  [one]\n// x\nb\n//  [one]\nc", vec!["a", "…", "c"]),
            ("  a //  [one]\n  // x\n//  [one]\nc", vec!["  a", "c"]),
            ("//  [two]  [one]\na", vec!["a"]),
        ] {
            assert_eq!(excerpt(text).unwrap().1, expected, "{text}");
        }
        assert_eq!(excerpt("x\n\n//  [one]\na").unwrap().0, 4);
        assert_eq!(excerpt("//  [two]\na"), None);
    }
}
