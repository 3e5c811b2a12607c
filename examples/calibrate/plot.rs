//! The curves of cost against memory and passes.

use std::{fs, io, path::Path};

use portcullis_chart::{Axis, Lines, Series};

use crate::report::Report;

/// Draws into a file, whose name says in which form.
pub(crate) fn draw(report: &Report, path: &Path) -> io::Result<()> {
    let svg = curves(report);
    if path
        .extension()
        .is_some_and(|extension| extension == "html")
    {
        fs::write(path, page(report, &svg))
    } else {
        fs::write(path, svg)
    }
}

fn curves(report: &Report) -> String {
    let (samples, plan) = (&report.samples, &report.plan);
    let ends = [samples.first(), samples.last()].into_iter().flatten();
    let ends = ends.map(|sample| mebibytes(sample.memory_kib));
    let ticks = [7.0, 12.0, 19.0, 32.0, 46.0, 64.0, 128.0, 256.0, 512.0];
    let x = Axis::logarithmic("memory, MiB").with_ticks(ticks);
    let y = Axis::logarithmic("time of one hash, ms, with all threads busy");
    let note = format!(
        "kernel {}, {} threads; {} with {} requests a second",
        report.kernel, plan.workers, plan.params, report.objective.per_second
    );
    let chosen = (mebibytes(plan.params.memory_kib()), plan.expected.hash_ms);
    let limit = report.objective.p99.as_secs_f64() * 1e3;
    let mut chart = Lines::new("What a hash costs here", x, y)
        .with_note(&note)
        .with(Series::new(&format!("chosen: {}", plan.params), [chosen]).strong())
        .with(Series::new(
            "objective for a request",
            ends.map(|size| (size, limit)),
        ));
    for passes in [1, 2, 3, 5, 10] {
        let points = samples
            .iter()
            .map(|sample| (mebibytes(sample.memory_kib), sample.seconds(passes) * 1e3));
        let name = if passes == 1 {
            "1 pass".to_owned()
        } else {
            format!("{passes} passes")
        };
        chart = chart.with(Series::new(&name, points));
    }
    chart.to_svg()
}

/// The picture and the table.
fn page(report: &Report, svg: &str) -> String {
    let table = report
        .to_string()
        .replace('&', "&amp;")
        .replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <title>What a hash costs here</title>\n\
         <body style=\"font-family: sans-serif; max-width: 54rem; margin: 2rem auto\">\n\
         {svg}<pre>{table}</pre>\n</body>\n</html>\n"
    )
}

fn mebibytes(kibibytes: u32) -> f64 {
    f64::from(kibibytes) / 1024.0
}
