//! What the numbers were measured on, without its name.

use std::{fs, process::Command};

use portcullis_argon2::{Arena, Kernel};

use crate::{
    contenders::{Cost, by_us},
    pools,
};

/// One line: processor, cores, kernels, huge pages, compiler.
pub(crate) fn description() -> String {
    let kernels: Vec<_> = Kernel::available().iter().map(Kernel::to_string).collect();
    let compiler = Command::new("rustc").arg("--version").output();
    let compiler = compiler
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    let pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    let pages = pages.unwrap_or_default();
    let pages = pages.split(['[', ']']).nth(1).unwrap_or("unknown");
    format!(
        "{}, {} cores; kernels: {}, the best is used; huge pages: {pages}; {compiler}",
        processor(),
        pools::cores(),
        kernels.join(", "),
    )
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.split('\t').next() == Some(name));
        line.and_then(|line| line.split(": ").nth(1))
            .unwrap_or("unknown")
    };
    let [name, family, model] = ["model name", "cpu family", "model"].map(field);
    format!("{name} (family {family}, model {model})")
}

/// Processor time so far, in ticks: of everything on the machine, and of this process.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    all: f64,
    own: f64,
}

impl Ticks {
    pub(crate) fn now() -> Option<Self> {
        let numbers = |text: &str| -> Vec<f64> {
            text.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect()
        };
        let machine = fs::read_to_string("/proc/stat").ok()?;
        // user, nice, system, idle, waiting, interrupts, soft interrupts, stolen
        let machine = numbers(machine.lines().next()?);
        let busy = machine.iter().take(8).sum::<f64>() - machine.get(3)? - machine.get(4)?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let own = numbers(own.rsplit_once(") ")?.1);
        Some(Self {
            all: busy,
            // The state is no number, so user and system time are one place further to the front.
            own: own.get(10)? + own.get(11)?,
        })
    }

    /// The share of one core that went to others since then.
    pub(crate) fn elsewhere_since(self, then: Self, seconds: f64) -> f64 {
        const TICKS_A_SECOND: f64 = 100.0;
        let others = (self.all - then.all) - (self.own - then.own);
        others.max(0.0) / TICKS_A_SECOND / seconds
    }
}

/// Page faults for each hash, once the arena has its memory.
pub(crate) fn faults(cost: Cost, kernel: Kernel) -> Option<f64> {
    const HASHES: u32 = 8;
    let mut arena = Arena::new();
    by_us(cost, kernel, &mut arena);
    let before = faults_so_far()?;
    for _ in 0..HASHES {
        by_us(cost, kernel, &mut arena);
    }
    Some((faults_so_far()? - before) / f64::from(HASHES))
}

/// Of this thread.
fn faults_so_far() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/stat").ok()?;
    // After the name in parentheses, which may contain anything: state, then numbers.
    let fields = text.rsplit_once(") ")?.1;
    let field = |number: usize| fields.split(' ').nth(number)?.parse::<f64>().ok();
    Some(field(7)? + field(9)?)
}

/// Memory that is free to take, in KiB.
pub(crate) fn free_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

/// Memory of this process, in MiB.
pub(crate) fn resident() -> f64 {
    memory_of("self").0
}

/// Memory of a process in use, and the most that ever was, in MiB.
pub(crate) fn memory_of(process: &str) -> (f64, f64) {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mebibytes = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let kibibytes: f64 = line
            .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(0.0);
        kibibytes / 1024.0
    };
    (mebibytes("VmRSS:"), mebibytes("VmHWM:"))
}
