//! The sections of a lecture as text: for 80 columns, or wide with all that is known of each figure.

use std::fmt::{self, Display, Formatter};

use clap::builder::styling::{AnsiColor, Effects, Style};
use makemore_tch::lectures::{Comparison, Figure, Section};

/// The columns of a terminal.
const WIDTH: usize = 80;

/// What all lines but the titles begin with.
const INDENT: &str = "   ";

/// The columns between two figures.
const GAP: usize = 2;

/// The label of a published figure that stands below ours.
const PUBLISHED: &str = "  published";

const TITLE: Style = Style::new().effects(Effects::BOLD);
const CODE: Style = Style::new().effects(Effects::DIMMED);
const AGREES: Style = AnsiColor::Green.on_default();
const DIFFERS: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// A section, its place among those of its lecture, and whether it is printed wide.
pub struct Printed<'a> {
    pub number: usize,
    pub section: &'a Section,
    pub is_wide: bool,
}

/// The title, the explanation, the code, the steps of a training, where the figures are published, and the
/// figures.
impl Display for Printed<'_> {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        let section = self.section;
        writeln!(out, "{TITLE}{}. {}{TITLE:#}", self.number, section.title)?;
        paragraph(out, section.explanation)?;
        let place = section.code_at.iter().map(|place| format!("// {place}"));
        for line in place.chain(section.code.iter().map(|&line| line.to_owned())) {
            writeln!(out, "{INDENT}  {CODE}{line}{CODE:#}")?;
        }
        if let Some(training) = section.training {
            let each = 1000.0 * training.seconds / training.steps.max(1) as f64;
            writeln!(
                out,
                "{INDENT}Steps: {} of {} in {:.1} s, {each:.3} ms each",
                training.steps, training.published_steps, training.seconds
            )?;
            if !training.is_whole() {
                let (last, loss) = (training.steps.saturating_sub(1), training.last_loss);
                writeln!(out, "{INDENT}Loss of step {last}, the last: {loss:.4}")?;
            }
        }
        if self.is_wide {
            return wide(out, &section.figures);
        }
        let sources = section.figures.iter().filter_map(|figure| figure.source);
        let sources = distinct(sources.map(|source| source.to_string()));
        if !sources.is_empty() {
            let has_others = section.figures.iter().any(|figure| figure.source.is_none());
            let others = if has_others {
                " (checks of ours: nowhere)"
            } else {
                ""
            };
            paragraph(out, &format!("Published in: {}{others}", joined(&sources)))?;
        }
        narrow(out, &section.figures)
    }
}

/// A text in lines that fit.
pub fn paragraph(out: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && length(INDENT) + length(&line) + 1 + length(word) > WIDTH {
            writeln!(out, "{INDENT}{line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    writeln!(out, "{INDENT}{line}")
}

/// The name, ours, the published figure and the verdict of each figure. One that is too long has the published
/// figure below ours. A check of ours has a line of its own, and each reason is said once.
fn narrow(out: &mut Formatter, figures: &[Figure]) -> fmt::Result {
    if figures.is_empty() {
        return Ok(());
    }
    let ends = figures.iter().map(|figure| length(&verdict(figure)));
    let labels = figures.iter().filter_map(remark).map(|(label, _)| label);
    let names = figures.iter().map(|figure| figure.name.as_str());
    let names = names.chain(labels).map(length).max().unwrap_or(0);
    let lengths = figures.iter().flat_map(values).map(length);
    let room = WIDTH.saturating_sub(length(INDENT) + names + ends.max().unwrap_or(0) + 3 * GAP) / 2;
    let column = lengths.filter(|&value| value <= room).max().unwrap_or(0);
    let column = column.max(length(PUBLISHED.trim_start()));
    writeln!(
        out,
        "{INDENT}{:names$}  {:column$}  {}",
        "",
        "ours",
        PUBLISHED.trim_start()
    )?;
    for figure in figures {
        let style = style(figure);
        let verdict = format!("{style}{}{style:#}", verdict(figure));
        let (name, ours) = (&figure.name, &figure.ours);
        let published = figure.published.as_deref();
        if values(figure).all(|value| length(value) <= column) {
            let published = published.unwrap_or_default();
            writeln!(
                out,
                "{INDENT}{name:names$}  {ours:column$}  {published:column$}  {verdict}"
            )?;
        } else {
            let both = 2 * column + GAP;
            writeln!(out, "{INDENT}{name:names$}  {ours:both$}  {verdict}")?;
            if let Some(published) = published {
                writeln!(out, "{INDENT}{PUBLISHED:names$}  {published}")?;
            }
        }
        if let Some((label, expected)) = remark(figure) {
            writeln!(out, "{INDENT}{label:names$}  {expected}")?;
        }
    }
    let reasons = figures.iter().filter_map(reason);
    let reasons = distinct(reasons.map(|(word, reason)| format!("{word}: {reason}")));
    reasons.iter().try_for_each(|reason| paragraph(out, reason))
}

/// Our figure, and the published one.
fn values(figure: &Figure) -> impl Iterator<Item = &str> {
    [Some(figure.ours.as_str()), figure.published.as_deref()]
        .into_iter()
        .flatten()
}

/// What else is said of a figure, below it: what a check expects, or a tolerance that was not kept.
fn remark(figure: &Figure) -> Option<(&'static str, String)> {
    match &figure.comparison {
        Comparison::Check { check, .. } => Some(("  check of ours", check.clone())),
        Comparison::Tolerance { tolerance, .. } if figure.agrees == Some(false) => {
            Some(("  tolerance", short(*tolerance)))
        }
        _ => None,
    }
}

/// Every figure in one line, with its difference, its reason and its source.
fn wide(out: &mut Formatter, figures: &[Figure]) -> fmt::Result {
    let rows: Vec<[String; 7]> = figures.iter().map(row).collect();
    let titles = [
        "",
        "ours",
        "published",
        "difference",
        "comparison",
        "reason",
        "published in",
    ];
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| length(&row[column]));
        cells.chain([length(titles[column])]).max().unwrap_or(0)
    });
    let line = |cells: &[String; 7]| {
        let cells = cells.iter().zip(widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{INDENT}{}", cells.join("  ").trim_end())
    };
    if !rows.is_empty() {
        writeln!(out, "{}", line(&titles.map(str::to_owned)))?;
    }
    for (row, figure) in rows.iter().zip(figures) {
        let style = style(figure);
        writeln!(out, "{style}{}{style:#}", line(row))?;
    }
    Ok(())
}

/// The cells of a figure in the wide table.
fn row(figure: &Figure) -> [String; 7] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        figure.name.clone(),
        figure.ours.clone(),
        or_none(figure.published.clone()),
        or_none(
            figure
                .difference
                .map(|off| format!("{off:.1e}").replace("0.0e0", "0")),
        ),
        comparison(figure),
        or_none(reason(figure).map(|(_, reason)| reason.to_owned())),
        or_none(figure.source.map(|source| source.to_string())),
    ]
}

/// Whether a figure agrees, and in which way.
fn comparison(figure: &Figure) -> String {
    let verdict = verdict(figure);
    match (&figure.comparison, figure.agrees) {
        (Comparison::Same, Some(true)) => "same".to_owned(),
        (Comparison::Rounded, Some(true)) => "rounded".to_owned(),
        (Comparison::Tolerance { tolerance, .. }, Some(false)) => {
            format!("{verdict} by more than {}", short(*tolerance))
        }
        (Comparison::Check { check, .. }, _) => format!("{verdict}: {check}"),
        _ => verdict,
    }
}

/// Whether a figure agrees.
fn verdict(figure: &Figure) -> String {
    match (figure.agrees, &figure.comparison) {
        (None, _) => "shown".to_owned(),
        (Some(true), Comparison::Check { .. }) => "holds".to_owned(),
        (Some(false), Comparison::Check { .. }) => "FAILS".to_owned(),
        (Some(true), Comparison::Tolerance { tolerance, .. }) => {
            format!("within {}", short(*tolerance))
        }
        (Some(true), _) => "agrees".to_owned(),
        (Some(false), _) => "DIFFERS".to_owned(),
    }
}

fn style(figure: &Figure) -> Style {
    match figure.agrees {
        Some(true) => AGREES,
        Some(false) => DIFFERS,
        None => CODE,
    }
}

/// Why a figure may differ, or is not held against the published one; before it what it is the reason of.
fn reason(figure: &Figure) -> Option<(&'static str, &'static str)> {
    match figure.comparison {
        Comparison::Tolerance { reason, .. } => Some(("within", reason)),
        Comparison::Shown { reason } => Some(("shown", reason)),
        Comparison::Check { reason, .. } => reason.map(|reason| ("check", reason)),
        Comparison::Same | Comparison::Rounded => None,
    }
}

/// As 0.03, 2e-6 or 6.2e-5.
fn short(number: f64) -> String {
    match number >= 1e-3 {
        true => number.to_string(),
        false => format!("{number:.1e}").replace(".0e", "e"),
    }
}

/// `makemore_part3_bn, In [6], In [7]; the notes, Frequency`: what is in one notebook is said behind its name.
fn joined(sources: &[String]) -> String {
    let mut joined = String::new();
    let mut before = "";
    for source in sources {
        let (book, place) = source.split_once(", ").unwrap_or((source, ""));
        joined += &match (before == book, joined.is_empty()) {
            (true, _) => format!(", {place}"),
            (false, true) => source.clone(),
            (false, false) => format!("; {source}"),
        };
        before = book;
    }
    joined
}

/// Texts without those that came before.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}

fn length(text: &str) -> usize {
    text.chars().count()
}
