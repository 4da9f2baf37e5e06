//! Plots as SVG: text from plain data.
//!
//! Each is a document by itself, to be written to a file or put into an HTML page. Colours follow the reader's light or dark scheme and can be told apart with
//! colour-blind eyes (after Okabe and Ito, Color Universal Design, 2002). Names are text, whatever they contain. The size is bounded: lines and clouds of many
//! points are thinned to what can be seen.

mod axis;
mod confusion;
mod coverage;
mod curves;
mod line_plot;
mod lines;
mod panel;
mod precision_recall;
mod reliability;
mod roc;
mod scatter;
mod strength;
mod svg;

pub use confusion::confusion;
pub use coverage::coverage;
pub use curves::{Series, curves, curves_over_log};
pub(crate) use precision_recall::points as precision_recall_points;
pub use precision_recall::{precision_recall, precision_recall_curves};
pub use reliability::{ReliabilityPoint, reliability};
pub use roc::roc;
pub use scatter::{scatter, scatters};
pub use strength::strength;
pub use svg::cell_colours;
