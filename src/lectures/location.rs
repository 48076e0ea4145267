//! Where figures are published.

use std::fmt;

use serde::{Serialize, Serializer};

/// A notebook by its name, without its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notebook(pub &'static str);

impl Notebook {
    /// The cell with this number: 16 of `In [16]`.
    pub const fn cell(self, number: u16) -> Location {
        Location::Cell(self, number)
    }
}

/// The place where a figure is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The section of the notes with this heading.
    Notes(&'static str),
    /// A cell of a notebook.
    Cell(Notebook, u16),
}

/// `the notes, Probability`, or `makemore_part3_bn, In [16]`.
impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Notes(heading) => write!(out, "the notes, {heading}"),
            Self::Cell(Notebook(name), number) => write!(out, "{name}, In [{number}]"),
        }
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
