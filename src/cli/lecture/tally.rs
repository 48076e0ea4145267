//! How many figures are the published ones, and in which way.

use std::fmt::{self, Display, Formatter};

use makemore_tch::lectures::{Comparison, Figure, Lecture};

/// How many figures there are of each kind.
#[derive(Debug, Default)]
pub struct Tally {
    same: usize,
    rounded: usize,
    tolerance: usize,
    differing: usize,
    checks: usize,
    failing: usize,
    shown: usize,
}

impl<'a> FromIterator<&'a Figure> for Tally {
    fn from_iter<T: IntoIterator<Item = &'a Figure>>(figures: T) -> Self {
        let mut tally = Self::default();
        for figure in figures {
            let place = match (&figure.comparison, figure.agrees) {
                (Comparison::Check { .. }, Some(false)) => &mut tally.failing,
                (_, Some(false)) => &mut tally.differing,
                (Comparison::Same, _) => &mut tally.same,
                (Comparison::Rounded, _) => &mut tally.rounded,
                (Comparison::Tolerance { .. }, _) => &mut tally.tolerance,
                (Comparison::Check { .. }, _) => &mut tally.checks,
                (Comparison::Shown { .. }, _) => &mut tally.shown,
            };
            *place += 1;
        }
        tally
    }
}

/// `150 figures as published, 1 check of ours, 3 that cannot be repeated`
impl Display for Tally {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let figures = counted(
            self.same + self.rounded + self.tolerance,
            self.differing,
            "figure",
        );
        let checks = counted(self.checks, self.failing, "check");
        let shown = self.shown;
        write!(
            out,
            "{figures} as published, {checks} of ours, {shown} that cannot be repeated"
        )
    }
}

/// `1 figure`, `2 figures`, or `2 of 3 figures` if one of them is bad.
fn counted(good: usize, bad: usize, noun: &str) -> String {
    match (good, bad) {
        (1, 0) => format!("1 {noun}"),
        (good, 0) => format!("{good} {noun}s"),
        (good, bad) => format!("{good} of {} {noun}s", good + bad),
    }
}

/// The tallies of several lectures.
pub struct Table(pub Vec<(Lecture, Tally)>);

impl Display for Table {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let Self(lectures) = self;
        let titles = ["same", "rounded", "within", "checks", "shown", "fail"];
        // As long as the longest title.
        write!(out, "{:35}  {}", "Lecture", titles.join("  "))?;
        for (lecture, tally) in lectures {
            let name = format!("{} {}", lecture.number(), lecture.title());
            write!(out, "\n{name:35}")?;
            let numbers = [
                tally.same,
                tally.rounded,
                tally.tolerance,
                tally.checks,
                tally.shown,
                tally.differing + tally.failing,
            ];
            for (title, number) in titles.iter().zip(numbers) {
                write!(out, "  {number:>0$}", title.len())?;
            }
        }
        writeln!(out)
    }
}
