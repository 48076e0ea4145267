//! The positions of the parts of a picture of a matrix.

use std::ops::Range;

use crate::plots::style;
use crate::plots::text::SMALLEST;

/// Positions in pixels. The margins around the matrix grow with the em of the axes' names.
pub struct Layout {
    pub width: i32,
    /// The em of the axes' names, in pixels.
    pub em: f64,
    /// The em of the rows' labels, in pixels.
    pub row_em: f64,
    /// The em of the columns' labels, in pixels.
    pub column_em: f64,
    pub left: i32,
    pub top: i32,
    pub rows: Cells,
    pub columns: Cells,
    /// The height of the colour bar.
    pub bar: i32,
}

/// The rows or the columns of the matrix.
#[derive(Clone, Copy, Default)]
pub struct Cells {
    pub number: usize,
    /// The size of all together, in pixels.
    pub pixels: i32,
}

/// The margins around the matrix, in em.
const LEFT: f64 = 4.16;
const TOP: f64 = 7.36;
const RIGHT: f64 = 7.36;
const BOTTOM: f64 = 1.6;

/// The least and the largest height of a row of contexts, in em; less if the picture has no room.
const ROW: (f64, f64) = (1.9, 3.0);

/// The least height of the colour bar, in em.
const BAR: f64 = 8.0;

impl Layout {
    /// Places a square matrix of `v` rows and columns in a picture of `width` × `height` pixels;
    /// `widest` is the width of the widest label in em.
    pub fn square((width, height): (u32, u32), v: usize, widest: f64) -> Self {
        let smaller = f64::from(width.min(height));
        let em = (smaller / 64.0).max(SMALLEST);
        let label_em = label_em(0.8 * smaller / v as f64, widest, em);
        let mut layout = Self::around(width, em, (label_em, widest), (label_em, widest));
        let side = layout.room_across().min(layout.room_down(height));
        layout.columns = Cells::within(side, v);
        layout.rows = layout.columns;
        layout.bar = layout.rows.pixels;
        layout
    }

    /// Places rows of contexts over the whole width, in a picture of at most `width` × `height` pixels;
    /// rows and columns are their number and the width of the widest label in em.
    pub fn wide(
        (width, height): (u32, u32),
        (rows, widest_row): (usize, f64),
        (columns, widest_column): (usize, f64),
    ) -> Self {
        let em = (f64::from(width) / 64.0)
            .min(f64::from(height) / 16.0)
            .max(SMALLEST);
        let cell = 0.8 * f64::from(width) / columns as f64;
        let column_em = label_em(cell, widest_column, em);
        let room = Self::around(width, em, (em, 0.0), (column_em, widest_column)).room_down(height);
        let high = |wide: f64| wide.clamp(ROW.0 * em, ROW.1 * em).min(room / rows as f64);
        let row_em = (0.6 * high(cell)).min(1.2 * em).max(SMALLEST);
        let mut layout = Self::around(width, em, (row_em, widest_row), (column_em, widest_column));
        layout.columns = Cells::within(layout.room_across(), columns);
        layout.rows = Cells::within(rows as f64 * high(layout.columns.size()).round(), rows);
        layout.bar = f64::from(layout.rows.pixels).max(BAR * em).min(room) as i32;
        layout
    }

    /// Places a matrix that fills the picture; rows and columns are their number and the width of the
    /// widest label in em.
    pub fn filling(
        (width, height): (u32, u32),
        (rows, widest_row): (usize, f64),
        (columns, widest_column): (usize, f64),
    ) -> Self {
        let em = style::em((width, height)).max(SMALLEST);
        let column_em = label_em(0.8 * f64::from(width) / columns as f64, widest_column, em);
        let row_em = label_em(0.8 * f64::from(height) / rows as f64, 1.0, em);
        let mut layout = Self::around(width, em, (row_em, widest_row), (column_em, widest_column));
        layout.rows = Cells::within(layout.room_down(height), rows);
        layout.columns = Cells::within(layout.room_across(), columns);
        layout.bar = layout.rows.pixels;
        layout
    }

    /// Places the matrix, without cells yet. Rows and columns are the em of their labels in pixels, and the
    /// width of the widest label in em.
    fn around(width: u32, em: f64, rows: (f64, f64), columns: (f64, f64)) -> Self {
        let labels = |(label_em, widest): (f64, f64)| widest.max(1.0) * label_em + 0.43 * em;
        Self {
            width: width as i32,
            em,
            row_em: rows.0,
            column_em: columns.0,
            left: (LEFT * em).max(2.2 * em + labels(rows)).round() as i32,
            top: (TOP * em).max(5.0 * em + labels(columns)).round() as i32,
            rows: Cells::default(),
            columns: Cells::default(),
            bar: 0,
        }
    }

    /// The room for columns, in pixels.
    fn room_across(&self) -> f64 {
        f64::from(self.width - self.left) - RIGHT * self.em
    }

    /// The room for rows in a picture of a height, in pixels.
    fn room_down(&self, height: u32) -> f64 {
        f64::from(height) - f64::from(self.top) - BOTTOM * self.em
    }

    /// The height of the picture.
    pub fn height(&self) -> u32 {
        (self.top + self.rows.pixels.max(self.bar) + self.ems(BOTTOM)).unsigned_abs()
    }

    pub fn right(&self) -> i32 {
        self.left + self.columns.pixels
    }

    pub fn bottom(&self) -> i32 {
        self.top + self.rows.pixels
    }

    /// The upper left and the lower right corner of the cell in a row and a column.
    pub fn cell(&self, (row, column): (usize, usize)) -> [(i32, i32); 2] {
        let corner = |row, column| {
            let (x, y) = (self.columns.offset(column), self.rows.offset(row));
            (self.left + x, self.top + y)
        };
        [corner(row, column), corner(row + 1, column + 1)]
    }

    /// Where not all labels fit, every second, third, … row and column has its label.
    pub fn labelled(&self) -> (usize, usize) {
        let every = |em: f64, cells: &Cells| (1.2 * em / cells.size()).ceil().max(1.0) as usize;
        (
            every(self.row_em, &self.rows),
            every(self.column_em, &self.columns),
        )
    }

    /// Converts em to pixels.
    pub fn ems(&self, ems: f64) -> i32 {
        (ems * self.em).round() as i32
    }
}

/// The em of labels beside cells of a size, in pixels. Long labels are smaller: those of columns stand
/// upright, and would take the matrix's room.
fn label_em(cell: f64, widest: f64, em: f64) -> f64 {
    let largest = if widest > 2.0 { 0.8 } else { 1.2 };
    (0.6 * cell).min(largest * em).max(SMALLEST)
}

impl Cells {
    /// Divides pixels into cells: of a whole number of pixels each, so that all are alike, if they are
    /// large enough.
    fn within(mut pixels: f64, number: usize) -> Self {
        if pixels >= 4.0 * number as f64 {
            pixels -= pixels % number as f64;
        }
        Self {
            number,
            pixels: pixels as i32,
        }
    }

    /// The width of a column, or the height of a row.
    pub fn size(&self) -> f64 {
        f64::from(self.pixels) / self.number as f64
    }

    /// The start of row or column `index`, from the first, in pixels.
    pub fn offset(&self, index: usize) -> i32 {
        (index as f64 * self.size()).round() as i32
    }

    /// The middle of row or column `index`, from the start of the first, in pixels.
    pub fn middle(&self, index: usize) -> i32 {
        ((index as f64 + 0.5) * self.size()).round() as i32
    }

    /// The rows or columns that a pixel covers.
    pub fn at(&self, pixel: usize) -> Range<usize> {
        let pixels = self.pixels as usize;
        let first = pixel * self.number / pixels;
        first..((pixel + 1) * self.number / pixels).max(first + 1)
    }
}
