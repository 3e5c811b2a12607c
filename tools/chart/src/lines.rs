//! Lines over two axes.

use crate::{
    axis::{Axis, written},
    svg::{Anchor, Picture, WIDTH, colour},
};

/// A chart of lines, each named where it ends.
#[derive(Debug, Clone)]
pub struct Lines {
    title: String,
    note: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    strong: bool,
}

impl Series {
    /// Through these points.
    #[must_use]
    pub fn new(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            points: points.into_iter().collect(),
            strong: false,
        }
    }

    /// What the chart is about.
    #[must_use]
    pub const fn strong(mut self) -> Self {
        self.strong = true;
        self
    }
}

impl Lines {
    /// A chart without lines.
    #[must_use]
    pub fn new(title: &str, x: Axis, y: Axis) -> Self {
        Self {
            title: title.to_owned(),
            note: String::new(),
            x,
            y,
            series: Vec::new(),
        }
    }

    /// A line of small print under the title.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }

    /// One line more.
    #[must_use]
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// The picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let mut picture = Picture::new(HEIGHT, &self.title, &self.note);
        let points = self.series.iter().flat_map(|series| &series.points);
        let x = self
            .x
            .over(points.clone().map(|point| point.0), (LEFT, RIGHT));
        let y = self.y.over(points.map(|point| point.1), (BOTTOM, TOP));
        for tick in &y.ticks {
            let at = y.place(*tick);
            picture.line((LEFT, at), (RIGHT, at), "stroke='#e2e2e2'");
            picture.text((LEFT - 8.0, at + 4.0), Anchor::End, "#444", &written(*tick));
        }
        for tick in &x.ticks {
            let at = x.place(*tick);
            picture.line((at, BOTTOM), (at, BOTTOM + 5.0), "stroke='#444'");
            picture.text((at, BOTTOM + 20.0), Anchor::Middle, "#444", &written(*tick));
        }
        picture.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "stroke='#444'");
        let middle = f64::midpoint(LEFT, RIGHT);
        picture.text(
            (middle, BOTTOM + 42.0),
            Anchor::Middle,
            "#222",
            &self.x.label,
        );
        picture.upright((22.0, f64::midpoint(TOP, BOTTOM)), &self.y.label);
        let mut names = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            let places: Vec<_> = series
                .points
                .iter()
                .map(|point| (x.place(point.0), y.place(point.1)))
                .collect();
            let width = if series.strong { 3.2 } else { 1.6 };
            picture.path(&places, colour(index), &format!("stroke-width='{width}'"));
            if let Some(end) = places.last() {
                names.push((*end, colour(index), series.name.as_str()));
            }
        }
        write_names(&mut picture, names);
        picture.finish()
    }
}

/// Each name at the height of its line's end, moved down or up where names would overlap.
fn write_names(picture: &mut Picture, mut names: Vec<((f64, f64), &str, &str)>) {
    names.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
    let mut lowest = f64::NEG_INFINITY;
    let mut heights: Vec<f64> = names
        .iter()
        .map(|((_, y), ..)| {
            lowest = y.max(lowest + APART);
            lowest
        })
        .collect();
    // From below, so that the last names do not leave the picture.
    let mut highest = BOTTOM + APART;
    for height in heights.iter_mut().rev() {
        *height = height.min(highest - APART);
        highest = *height;
    }
    for (((x, y), colour, name), height) in names.into_iter().zip(heights) {
        let stroke = format!("stroke='{colour}' stroke-width='0.8' stroke-dasharray='2 2'");
        picture.line((x + 4.0, y), (RIGHT + 10.0, height), &stroke);
        picture.text((RIGHT + 14.0, height + 4.0), Anchor::Start, colour, name);
    }
}

const HEIGHT: f64 = 460.0;
const TOP: f64 = 76.0;
const BOTTOM: f64 = HEIGHT - 60.0;
const LEFT: f64 = 84.0;
/// The rest is for names.
const RIGHT: f64 = WIDTH - 250.0;
const APART: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_overlap_are_moved_apart() {
        let near = |name| Series::new(name, [(1.0, 10.0), (2.0, 10.0)]);
        let svg = Lines::new("", Axis::linear(""), Axis::linear(""))
            .with(near("one"))
            .with(near("two").strong())
            .to_svg();
        let height = |name: &str| -> f64 {
            let line = svg.lines().find(|line| line.contains(name)).unwrap();
            let y = line.split("y='").nth(1).unwrap();
            y.split('\'').next().unwrap().parse().unwrap()
        };
        assert!((height(">one<") - height(">two<")).abs() >= APART - 0.1);
    }

    #[test]
    fn axes_and_lines_are_named() {
        let svg = Lines::new("title", Axis::linear("across"), Axis::logarithmic("up"))
            .with_note("note")
            .with(Series::new("line", [(1.0, 1.0), (2.0, 10.0)]))
            .to_svg();
        for text in ["title", "across", "up", "note", "line"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
    }
}
