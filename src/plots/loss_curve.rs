//! The loss of each epoch, with the NLL of the counting model as the line to come down to.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Drawing, Drawn, FONT};

/// The losses of a training; both axes are linear, the loss in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct LossCurve<'a> {
    /// The epochs and their losses.
    pub losses: &'a [(u64, f32)],
    /// The average NLL of the counting model on the same data.
    pub counting_nll: f64,
}

impl Drawing for LossCurve<'_> {
    fn draw<DB: DrawingBackend>(&self, area: &DrawingArea<DB, Shift>) -> Drawn<DB> {
        let first = self.losses.first().map_or(0.0, |&(epoch, _)| epoch as f64);
        let last = self.losses.last().map_or(1.0, |&(epoch, _)| epoch as f64);
        let losses = || self.losses.iter().map(|&(_, loss)| f64::from(loss));
        let low = losses().fold(self.counting_nll, f64::min);
        let high = losses().fold(self.counting_nll, f64::max);
        let margin = 0.05 * (high - low).max(0.1);
        let epochs = first..last.max(first + 1.0);

        let mut chart = ChartBuilder::on(area)
            .caption("Loss of the bigram network", (FONT, 28))
            .margin(20)
            .x_label_area_size(50)
            .y_label_area_size(75)
            .build_cartesian_2d(epochs.clone(), low - margin..high + margin)?;
        chart
            .configure_mesh()
            .x_desc("epoch")
            .y_desc("average negative log-likelihood (nats)")
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .y_label_formatter(&|loss| format!("{loss:.2}"))
            .label_style((FONT, 16))
            .axis_desc_style((FONT, 18))
            .light_line_style(WHITE)
            .draw()?;

        let curve = self.losses.iter();
        let curve = curve.map(|&(epoch, loss)| (epoch as f64, f64::from(loss)));
        let network = RGBColor(8, 81, 156);
        chart
            .draw_series(LineSeries::new(curve, network.stroke_width(3)))?
            .label("network")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], network.stroke_width(3)));
        let counting = RGBColor(203, 75, 22);
        let line = [epochs.start, epochs.end].map(|epoch| (epoch, self.counting_nll));
        chart
            .draw_series(LineSeries::new(line, counting.stroke_width(2)))?
            .label(format!("counting ({:.6})", self.counting_nll))
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 24, y)], counting.stroke_width(2))
            });
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .margin(15)
            .label_font((FONT, 18))
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(150, 150, 150))
            .draw()?;
        Ok(())
    }
}
