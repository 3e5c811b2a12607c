//! From values to places, and which values are written beside an axis.

/// One direction of a chart.
#[derive(Debug, Clone)]
pub struct Axis {
    pub(crate) label: String,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// Equal distances are equal differences. It begins at zero.
    #[must_use]
    pub fn linear(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            logarithmic: false,
            ticks: Vec::new(),
        }
    }

    /// Equal distances are equal ratios.
    #[must_use]
    pub fn logarithmic(label: &str) -> Self {
        Self {
            logarithmic: true,
            ..Self::linear(label)
        }
    }

    /// Writes these values and no others.
    #[must_use]
    pub fn with_ticks(mut self, ticks: impl IntoIterator<Item = f64>) -> Self {
        self.ticks.extend(ticks);
        self
    }

    /// The axis for these values, between two places of the picture.
    pub(crate) fn over(
        &self,
        values: impl Iterator<Item = f64> + Clone,
        places: (f64, f64),
    ) -> Scale {
        let largest = values.clone().fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let least = values.fold(f64::INFINITY, f64::min).min(largest);
        let (from, to) = if self.logarithmic {
            (least.max(largest * 1e-9) / 1.15, largest * 1.15)
        } else {
            (0.0, largest * 1.05)
        };
        let ticks = match (self.ticks.is_empty(), self.logarithmic) {
            (false, _) => self.ticks.clone(),
            (true, true) => decades(from, to),
            (true, false) => steps(to),
        };
        let inside = |tick: &f64| (from..=to).contains(tick);
        Scale {
            logarithmic: self.logarithmic,
            values: (from, to),
            places,
            ticks: ticks.into_iter().filter(inside).collect(),
        }
    }
}

/// An [`Axis`] that knows its values and its place.
pub(crate) struct Scale {
    logarithmic: bool,
    values: (f64, f64),
    places: (f64, f64),
    pub(crate) ticks: Vec<f64>,
}

impl Scale {
    pub(crate) fn place(&self, value: f64) -> f64 {
        let (from, to) = self.values;
        let share = if self.logarithmic {
            (value.max(from) / from).ln() / (to / from).ln()
        } else {
            (value - from) / (to - from)
        };
        self.places.0 + share * (self.places.1 - self.places.0)
    }
}

/// About five round steps from zero on.
fn steps(to: f64) -> Vec<f64> {
    let rough = to / 5.0;
    let decade = 10_f64.powf(rough.log10().floor());
    let rounds = [1.0, 2.0, 5.0, 10.0].into_iter();
    let step = rounds
        .map(|round| round * decade)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    (0..=12).map(|number| f64::from(number) * step).collect()
}

/// 1, 2 and 5 of every decade.
fn decades(from: f64, to: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut decade = 10_f64.powf(from.log10().floor());
    while decade <= to {
        ticks.extend([1.0, 2.0, 5.0].map(|round| round * decade));
        decade *= 10.0;
    }
    ticks
}

/// As few digits as the value needs.
pub(crate) fn written(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_places() {
        let linear = Axis::linear("").over([0.0, 100.0].into_iter(), (0.0, 105.0));
        assert!((linear.place(50.0) - 50.0).abs() < 1e-9);
        let logarithmic = Axis::logarithmic("").over([1.0, 100.0].into_iter(), (0.0, 1.0));
        assert!((logarithmic.place(10.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let scale = Axis::linear("").over([0.0, 43.0].into_iter(), (0.0, 1.0));
        assert_eq!(scale.ticks, [0.0, 10.0, 20.0, 30.0, 40.0]);
        let scale = Axis::logarithmic("").over([3.0, 40.0].into_iter(), (0.0, 1.0));
        assert_eq!(scale.ticks, [5.0, 10.0, 20.0]);
        let callers = Axis::logarithmic("").with_ticks([1.0, 2.0, 4.0, 64.0]);
        assert_eq!(
            callers.over([1.0, 8.0].into_iter(), (0.0, 1.0)).ticks,
            [1.0, 2.0, 4.0]
        );
    }

    #[test]
    fn one_value_and_no_value_are_charts_too() {
        for values in [vec![], vec![0.0], vec![5.0]] {
            for axis in [Axis::linear(""), Axis::logarithmic("")] {
                let scale = axis.over(values.iter().copied(), (0.0, 1.0));
                assert!(scale.place(5.0).is_finite());
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 5.0, 12.5, 123.4, 0.25].map(written);
        assert_eq!(texts, ["0", "5", "12.5", "123", "0.25"]);
    }
}
