//! Where the parts of the heatmap are.

use super::font::SMALLEST;

/// Places in pixels; what is around the matrix is measured in em of the axes' names.
pub struct Layout {
    pub width: i32,
    /// Of the axes' names.
    pub em: f64,
    /// Of the characters along the axes.
    pub label_em: f64,
    pub left: i32,
    pub top: i32,
    /// Of the matrix, which is a square.
    pub side: i32,
    /// How many rows and columns the matrix has.
    pub v: usize,
}

impl Layout {
    /// For a picture of `width` × `height` pixels and `v` labels, the widest so many em.
    pub fn new((width, height): (u32, u32), v: usize, widest_label: f64) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        let em = (width.min(height) / 64.0).max(SMALLEST);

        // Long labels stand on end above the matrix, and take more of its room the larger they are.
        let cell = 0.8 * width.min(height) / v as f64;
        let largest = if widest_label > 2.0 { 0.8 } else { 1.2 };
        let label_em = (0.6 * cell).min(largest * em).max(SMALLEST);
        let labels = widest_label.max(1.0) * label_em + 0.43 * em;

        let left = (4.16 * em).max(2.2 * em + labels).round();
        let top = (7.36 * em).max(5.0 * em + labels).round();
        let (right, bottom) = (7.36 * em, 1.6 * em);
        let mut side = (width - left - right).min(height - top - bottom);
        // Whole pixels where cells are large enough, so that they are all alike.
        if side >= 4.0 * v as f64 {
            side -= side % v as f64;
        }
        Self {
            width: width as i32,
            em,
            label_em,
            left: left as i32,
            top: top as i32,
            side: side as i32,
            v,
        }
    }

    /// The side of a cell.
    pub fn cell(&self) -> f64 {
        f64::from(self.side) / self.v as f64
    }

    /// Where row or column `index` begins, from the first.
    pub fn offset(&self, index: usize) -> i32 {
        (index as f64 * self.cell()).round() as i32
    }

    /// The same for its middle.
    pub fn middle(&self, index: usize) -> i32 {
        ((index as f64 + 0.5) * self.cell()).round() as i32
    }

    pub fn right(&self) -> i32 {
        self.left + self.side
    }

    pub fn bottom(&self) -> i32 {
        self.top + self.side
    }

    /// So many em as pixels.
    pub fn ems(&self, ems: f64) -> i32 {
        (ems * self.em).round() as i32
    }
}
