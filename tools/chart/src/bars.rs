//! Bars that lie, with their values.

use crate::{
    axis::{Axis, written},
    svg::{Anchor, Picture, WIDTH, colour},
};

/// A chart of bars, shortest and longest as they were given.
#[derive(Debug, Clone)]
pub struct Bars {
    title: String,
    note: String,
    unit: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Clone)]
struct Bar {
    name: String,
    value: f64,
    strong: bool,
}

impl Bars {
    /// A chart without bars.
    #[must_use]
    pub fn new(title: &str, unit: &str) -> Self {
        Self {
            title: title.to_owned(),
            note: String::new(),
            unit: unit.to_owned(),
            bars: Vec::new(),
        }
    }

    /// A line of small print under the title.
    #[must_use]
    pub fn with_note(mut self, note: &str) -> Self {
        note.clone_into(&mut self.note);
        self
    }

    /// One bar more. Those that the chart is about are strong.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64, strong: bool) -> Self {
        let name = name.to_owned();
        self.bars.push(Bar {
            name,
            value,
            strong,
        });
        self
    }

    /// The picture.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let ends = self.bars.iter().scan(TOP, |end, _| {
            *end += STEP;
            Some(*end)
        });
        let bottom = ends.clone().last().unwrap_or(TOP);
        let mut picture = Picture::new(bottom + 56.0, &self.title, &self.note);
        let values = self.bars.iter().map(|bar| bar.value);
        let scale = Axis::linear(&self.unit).over(values, (LEFT, RIGHT));
        for tick in &scale.ticks {
            let at = scale.place(*tick);
            picture.line((at, TOP), (at, bottom), "stroke='#e2e2e2'");
            picture.text((at, bottom + 18.0), Anchor::Middle, "#444", &written(*tick));
        }
        for (bar, end) in self.bars.iter().zip(ends) {
            let (middle, length) = (end - STEP / 2.0, scale.place(bar.value) - LEFT);
            let fill = if bar.strong { colour(0) } else { "#8a8f98" };
            picture.bar((LEFT, middle - 8.5), (length, 17.0), fill);
            picture.text((LEFT - 8.0, middle + 4.0), Anchor::End, "#222", &bar.name);
            let value = written(bar.value);
            picture.text(
                (LEFT + length + 6.0, middle + 4.0),
                Anchor::Start,
                "#222",
                &value,
            );
        }
        let middle = f64::midpoint(LEFT, RIGHT);
        picture.text((middle, bottom + 40.0), Anchor::Middle, "#222", &self.unit);
        picture.finish()
    }
}

const TOP: f64 = 70.0;
const LEFT: f64 = 290.0;
/// The rest is for the value of the longest bar.
const RIGHT: f64 = WIDTH - 50.0;
const STEP: f64 = 25.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bar_has_its_name_and_its_value() {
        let svg = Bars::new("title", "ms")
            .with("ours", 12.5, true)
            .with("theirs", 40.0, false)
            .to_svg();
        for text in ["title", "ms", "ours", "12.5", "theirs", "40"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
    }
}
