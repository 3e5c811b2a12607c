//! Charts of what was measured, as SVG: lines over an axis, and bars with their values.
//!
//! The text of a chart stands beside what it names, so that no colour has to be looked up.
//!
//! ```
//! use portcullis_chart::{Axis, Lines, Series};
//! let lines = Lines::new("Time", Axis::linear("memory, MiB"), Axis::linear("time, ms"))
//!     .with(Series::new("fast", [(7.0, 3.0), (19.0, 8.0)]))
//!     .with(Series::new("slow", [(7.0, 9.0), (19.0, 17.0)]));
//! assert!(lines.to_svg().starts_with("<svg"));
//! ```
#![forbid(unsafe_code)]

mod axis;
mod bars;
mod lines;
mod svg;

pub use axis::Axis;
pub use bars::Bars;
pub use lines::{Lines, Series};
