//! Elements of a picture.

use std::fmt::Write;

pub(crate) const WIDTH: f64 = 860.0;

/// Dark enough for text on white, and told apart with any kind of colour vision.
const COLOURS: [&str; 8] = [
    "#0067a3", "#b3261e", "#00754f", "#7b4fa6", "#a65e00", "#5c5c5c", "#b0457e", "#1f7a8c",
];

pub(crate) fn colour(index: usize) -> &'static str {
    let mut colours = COLOURS.iter().cycle().skip(index);
    colours.next().copied().unwrap_or("#222222")
}

/// A picture that is being written.
pub(crate) struct Picture {
    body: String,
    height: f64,
}

/// Which end of a text is at its place.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    pub(crate) fn new(height: f64, title: &str, note: &str) -> Self {
        let mut picture = Self {
            body: String::new(),
            height,
        };
        picture.styled_text((24.0, 32.0), "font-size='17' font-weight='600'", title);
        picture.styled_text((24.0, 52.0), "font-size='12' fill='#555'", note);
        picture
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        self.element(format_args!(
            "<line x1='{:.1}' y1='{:.1}' x2='{:.1}' y2='{:.1}' {stroke}/>",
            from.0, from.1, to.0, to.1
        ));
    }

    pub(crate) fn path(&mut self, points: &[(f64, f64)], colour: &str, style: &str) {
        let mut places = String::new();
        for (x, y) in points {
            let _infallible = write!(places, "{x:.1},{y:.1} ");
        }
        self.element(format_args!(
            "<polyline points='{places}' fill='none' stroke='{colour}' {style}/>"
        ));
        // A point alone has to be found, and many of them are a line.
        let radius = match points.len() {
            1 => 6.0,
            2..20 => 3.2,
            _ => 0.0,
        };
        for (x, y) in points {
            self.element(format_args!(
                "<circle cx='{x:.1}' cy='{y:.1}' r='{radius:.1}' fill='{colour}'/>"
            ));
        }
    }

    pub(crate) fn bar(&mut self, place: (f64, f64), size: (f64, f64), colour: &str) {
        self.element(format_args!(
            "<rect x='{:.1}' y='{:.1}' width='{:.1}' height='{:.1}' fill='{colour}'/>",
            place.0, place.1, size.0, size.1
        ));
    }

    pub(crate) fn text(&mut self, place: (f64, f64), anchor: Anchor, fill: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let style = format!("font-size='12.5' text-anchor='{anchor}' fill='{fill}'");
        self.styled_text(place, &style, text);
    }

    /// Read from below.
    pub(crate) fn upright(&mut self, place: (f64, f64), text: &str) {
        let turn = format!("rotate(-90 {:.1} {:.1})", place.0, place.1);
        let style = format!("font-size='12.5' text-anchor='middle' fill='#222' transform='{turn}'");
        self.styled_text(place, &style, text);
    }

    pub(crate) fn finish(self) -> String {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH:.0} {0:.0}' \
             width='{WIDTH:.0}' height='{0:.0}' font-family='Helvetica, Arial, sans-serif'>\n\
             <rect width='100%' height='100%' fill='#ffffff'/>\n{1}</svg>\n",
            self.height, self.body
        )
    }

    fn styled_text(&mut self, (x, y): (f64, f64), style: &str, text: &str) {
        let text = escaped(text);
        self.element(format_args!(
            "<text x='{x:.1}' y='{y:.1}' {style}>{text}</text>"
        ));
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        let _infallible = writeln!(self.body, "{element}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text() {
        let svg = Picture::new(10.0, "a < b & c", "").finish();
        assert!(svg.contains("a &lt; b &amp; c"), "{svg}");
    }

    #[test]
    fn colours_do_not_run_out() {
        assert_eq!(colour(0), colour(COLOURS.len()));
        assert_ne!(colour(0), colour(1));
    }
}
