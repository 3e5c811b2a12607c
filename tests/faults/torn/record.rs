//! What a process did to its files, from what `strace` printed.

use std::{collections::HashMap, path::Path};

use super::Files;
use crate::halves::DATA;

/// What `strace` is to print.
pub(super) const TRACED: &str = "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat";

/// One thing that was done, to a file of the database if not said otherwise.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// The operation with this id was acknowledged.
    Acknowledged(String),
    Removed(String),
    Shortened {
        file: String,
        to: usize,
    },
    Synced(String),
    Written {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
}

impl Step {
    pub(super) fn file(&self) -> Option<&str> {
        match self {
            Self::Acknowledged(_) => None,
            Self::Removed(file) | Self::Synced(file) => Some(file),
            Self::Shortened { file, .. } | Self::Written { file, .. } => Some(file),
        }
    }

    /// The same, if only the first half of it reached the disk.
    pub(super) fn torn(&self) -> Self {
        let mut torn = self.clone();
        if let Self::Written { bytes, .. } = &mut torn {
            bytes.truncate(bytes.len() / 2);
        }
        torn
    }

    pub(super) fn apply(&self, files: &mut Files) {
        match self {
            Self::Acknowledged(_) | Self::Synced(_) => {}
            Self::Removed(file) => {
                files.remove(file);
            }
            Self::Shortened { file, to } => files.entry(file.clone()).or_default().resize(*to, 0),
            Self::Written { file, at, bytes } => {
                let content = files.entry(file.clone()).or_default();
                let end = at + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

/// Reads a record, in the order in which writes began and syncs ended.
pub(super) fn read(text: &str, directory: &Path) -> Vec<Step> {
    let mut syncing = HashMap::new();
    let mut steps = Vec::new();
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if call.starts_with("<... fsync resumed>") || call.starts_with("<... fdatasync resumed>") {
            steps.extend(syncing.remove(thread));
            continue;
        }
        let Some(step) = step(call, directory) else {
            continue;
        };
        if matches!(step, Step::Synced(_)) && call.ends_with("<unfinished ...>") {
            syncing.insert(thread.to_owned(), step);
        } else {
            steps.push(step);
        }
    }
    steps
}

/// A call as `name(fd<path>, "bytes", length, offset)`; paths may be escaped like bytes.
fn step(call: &str, directory: &Path) -> Option<Step> {
    let (name, arguments) = call.split_once('(')?;
    let in_data = |path: &[u8]| {
        let path = std::str::from_utf8(path).ok()?;
        let file = Path::new(path).strip_prefix(directory.join(DATA)).ok()?;
        Some(file.to_str()?.to_owned())
    };
    if name.starts_with("unlink") {
        return in_data(&unescaped(quoted(arguments)?.0)?).map(Step::Removed);
    }
    let (_, rest) = arguments.split_once('<')?;
    let (path, rest) = rest.split_once('>')?;
    let path = unescaped(path)?;
    let file = in_data(&path);
    let number = |text: &str| {
        let digits = text.trim_start_matches([',', ' ']);
        let end = digits.find(|c: char| !c.is_ascii_digit());
        digits[..end.unwrap_or(digits.len())].parse::<usize>().ok()
    };
    match name {
        "write" if path.ends_with(b"report") => {
            let bytes = unescaped(quoted(rest)?.0)?;
            let text = String::from_utf8(bytes).ok()?;
            Some(Step::Acknowledged(text.trim_end().to_owned()))
        }
        "pwrite64" => {
            let (bytes, rest) = quoted(rest)?;
            let (_, at) = rest.trim_start_matches([',', ' ']).split_once(", ")?;
            let (bytes, at) = (unescaped(bytes)?, number(at)?);
            Some(Step::Written {
                file: file?,
                at,
                bytes,
            })
        }
        "fsync" | "fdatasync" => file.map(Step::Synced),
        "ftruncate" => Some(Step::Shortened {
            file: file?,
            to: number(rest)?,
        }),
        _ => None,
    }
}

/// The first text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.split_once('"')?.1.split_once('"')
}

/// What `\x..` stands for, if there is something of the kind.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    if !text.starts_with("\\x") {
        return Some(text.as_bytes().to_vec());
    }
    let digits = text.split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).ok())
        .collect()
}
