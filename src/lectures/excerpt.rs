//! The lines of a lecture in plain `tch`, `tests/examples/`, that make the figures of a section.
//!
//! They are those below the comment that names the section: `// P = N.float()  [Probabilities]`, with two spaces
//! before the bracket. A comment behind code names the section of its own line and those below.

/// At most so many lines are of one section.
const MOST: usize = 3;

/// What is before the name of a section.
const MARKER: &str = "  [";

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

impl Example {
    /// The lines of a section, without their indentation. They end before a comment that has its own line, a blank
    /// line, another section, and where their block ends. None if the example does not have the section.
    pub fn lines(&self, section: &str) -> Vec<&'static str> {
        let marker = format!("{MARKER}{section}]");
        let mut lines = self.text.lines().map(code_and_comment);
        let Some((own, _)) = lines.find(|(_, comment)| comment.contains(&marker)) else {
            return Vec::new();
        };
        let own = Some(own).filter(|own| !own.is_empty());
        let below =
            lines.take_while(|(code, comment)| !code.is_empty() && !comment.contains(MARKER));
        let mut lines = own
            .into_iter()
            .chain(below.map(|(code, _)| code))
            .peekable();
        let first = lines.peek().copied().unwrap_or_default();
        let indentation = &first[..first.len() - first.trim_start().len()];
        let of_block = lines.map_while(|line| line.strip_prefix(indentation));
        of_block.take(MOST).collect()
    }
}

/// The code of a line, and the comment behind it.
fn code_and_comment(line: &'static str) -> (&'static str, &'static str) {
    let (code, comment) = line.split_once("//").unwrap_or((line, ""));
    (code.trim_end(), comment)
}
