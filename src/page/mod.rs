//! A page: one HTML file, without network, that draws words by models and shows what they do.
//!
//! Read [`entry`], what the page is told of a model, then [`packed`], how numbers are in it, [`known`],
//! the words of the list, and [`html`], which puts all of it into `page.html`, `style.css` and the scripts
//! beside them.

pub mod entry;
pub mod html;
pub mod known;
pub mod packed;

pub use entry::Entry;
pub use html::Page;
pub use known::Known;
pub use packed::Precision;
