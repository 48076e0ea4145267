//! The colour bar, which shows the value of each colour.

use plotters::style::text_anchor::HPos;
use plotters::style::{BLACK, Color, WHITE};

use super::colour_scale::ColourScale;
use super::layout::Layout;
use crate::plots::drawing::Canvas;
use crate::plots::style::GREY;
use crate::plots::text::{Font, SMALLEST};

/// Draws the bar to the right of the matrix, and the lines of its name above it.
pub fn draw(
    canvas: &mut dyn Canvas,
    layout: &Layout,
    font: &Font,
    colours: &ColourScale,
    name: &[&str],
    whole: bool,
) {
    let left = layout.right() + layout.ems(1.28);
    let right = left + layout.ems(1.28);
    let steps = 256.min(layout.bar);
    for step in 0..steps {
        let upper = layout.top + layout.bar * step / steps;
        let lower = layout.top + layout.bar * (step + 1) / steps;
        let share = 1.0 - f64::from(step) / f64::from(steps - 1);
        let colour = colours.colour_at(share);
        let corners = [(left, upper), (right, lower)];
        canvas.rectangle(corners, colour.filled());
    }
    // White needs a frame to be seen on white.
    if [0.0, 0.5, 1.0]
        .map(|share| colours.colour_at(share))
        .contains(&WHITE)
    {
        let bottom = layout.top + layout.bar;
        let corners = [(left - 1, layout.top - 1), (right, bottom)];
        canvas.rectangle(corners, GREY.into());
    }

    let em = (0.8 * layout.em).max(SMALLEST);
    let room = f64::from(layout.bar) / em;
    let ticks = colours.ticks((room / 2.0).min(9.0) as usize, whole);
    let beside = right + layout.ems(0.5);
    let widest = font.widest(ticks.iter().map(|tick| tick.label.as_str()));
    let free = f64::from(layout.width - beside - layout.ems(0.2));
    let tick_em = em.min(free / widest);
    let mut highest = i32::MAX;
    for tick in &ticks {
        let share = colours.share(tick.value);
        let y = layout.top + layout.bar - (share * f64::from(layout.bar)).round() as i32;
        if y > highest.saturating_sub((1.3 * em) as i32) {
            continue;
        }
        highest = y;
        let line = [(right, y), (right + layout.ems(0.25), y)];
        canvas.line(&line, BLACK.into());
        let label = font.text(&tick.label, (beside, y), tick_em);
        canvas.text(&label.align(HPos::Left));
    }

    for (above, line) in name.iter().rev().enumerate() {
        let width = (em * font.width(line)).ceil() as i32;
        let at = (
            left.min(layout.width - layout.ems(0.2) - width),
            layout.top - (em * (1.1 + 1.3 * above as f64)) as i32,
        );
        canvas.text(&font.text(line, at, em).align(HPos::Left));
    }
}
