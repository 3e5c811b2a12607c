//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use crate::{decide::Objective, standard::Standard};

/// Finds the Argon2id parameters that this machine can afford: for the time in which requests have
/// to be answered and the rate at which they come, in the memory and on the cores that this process
/// was given. Then it tries them.
///
/// Exits with 1 if the objective cannot be met, and says what could be.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Options {
    /// Milliseconds in which 99 of 100 requests have to be answered
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 250,
        value_parser = clap::value_parser!(u32).range(1..=60_000)
    )]
    p99_ms: u32,

    /// Requests a second, on average, that set or check a password
    #[arg(long, value_name = "N", default_value_t = 50.0, value_parser = rate)]
    per_second: f64,

    /// Whose floors hold
    #[arg(long, value_enum, default_value_t = Standard::Owasp)]
    standard: Standard,

    /// How long the trial goes on
    #[arg(
        long,
        value_name = "N",
        default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    seconds: u32,

    /// Print JSON in place of the table
    #[arg(long)]
    pub(crate) json: bool,

    /// Draw cost against memory and passes, as .svg or .html
    #[arg(long, value_name = "FILE", value_parser = picture)]
    pub(crate) plot: Option<PathBuf>,
}

impl Options {
    pub(crate) fn objective(&self) -> Objective {
        Objective {
            p99: Duration::from_millis(self.p99_ms.into()),
            per_second: self.per_second,
            standard: self.standard,
        }
    }

    pub(crate) fn trial(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse::<f64>().ok();
    rate.filter(|rate| (0.01..=1e6).contains(rate))
        .ok_or("a number from 0.01 to 1000000")
}

fn picture(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("svg" | "html") => Ok(path),
        _ => Err("the name has to end in .svg or .html"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::error::ErrorKind> {
        let all = ["calibrate"].iter().chain(arguments);
        Options::try_parse_from(all).map_err(|error| error.kind())
    }

    #[test]
    fn everything_has_a_default() {
        let objective = parse(&[]).unwrap().objective();
        assert_eq!(objective.p99, Duration::from_millis(250));
        assert_eq!(objective.standard, Standard::Owasp);
    }

    #[test]
    fn odd_values_are_refused() {
        for arguments in [
            ["--p99-ms", "0"],
            ["--per-second", "NaN"],
            ["--per-second", "-1"],
            ["--standard", "nist"],
            ["--plot", "plot.png"],
            ["--seconds", "0"],
        ] {
            let kind = parse(&arguments).unwrap_err();
            let expected = [
                clap::error::ErrorKind::ValueValidation,
                clap::error::ErrorKind::InvalidValue,
                clap::error::ErrorKind::UnknownArgument,
            ];
            assert!(expected.contains(&kind), "{arguments:?}: {kind:?}");
        }
    }
}
