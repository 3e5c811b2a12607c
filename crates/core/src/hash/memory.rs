//! How much memory hashing may take when nobody says so.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Half of what the process may have: the other half is for everything that is not a hash, and for
/// the arenas that a hasher keeps between two runs.
const SHARE: u64 = 2;
/// Where nothing can be read, one hash at the highest cost that a hash string can ask for fits.
const UNKNOWN: u64 = 512 * 1024 * 1024;

/// Half of the control group's limit, or of the physical memory where that is less.
pub(super) fn default_budget() -> u64 {
    let physical = read("/proc/meminfo").and_then(|text| total_memory(&text));
    let limit = cgroup_limit();
    [physical, limit]
        .into_iter()
        .flatten()
        .min()
        .map_or(UNKNOWN, |bytes| bytes / SHARE)
}

/// The least limit on the way from the process's control group up to what is mounted.
fn cgroup_limit() -> Option<u64> {
    let (groups, mounts) = (read("/proc/self/cgroup")?, read("/proc/self/mountinfo")?);
    limit_files(&groups, &mounts)
        .iter()
        .filter_map(|file| limit(&fs::read_to_string(file).ok()?))
        .min()
}

/// Every file in which a limit of this process may stand. A limit of a parent holds for its
/// children too, and inside of a container the path that the kernel reports may not be there.
fn limit_files(groups: &str, mounts: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some(group) = groups.lines().find_map(|line| mount.group(line)) else {
            continue;
        };
        let below = Path::new(group);
        let below = below.strip_prefix(mount.root).unwrap_or(below);
        let below = below.strip_prefix("/").unwrap_or(below);
        for directory in below.ancestors() {
            files.push(Path::new(mount.point).join(directory).join(mount.file));
        }
    }
    files
}

/// A mounted hierarchy that limits memory.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    file: &'static str,
}

impl<'a> Mount<'a> {
    /// Reads a line of `/proc/self/mountinfo`: `id parent dev root point … - type source options`.
    fn parse(line: &'a str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let file = match (kind.next()?, kind.nth(1)?) {
            ("cgroup2", _) => V2,
            ("cgroup", options) if options.split(',').any(|option| option == "memory") => V1,
            _ => return None,
        };
        Some(Self { root, point, file })
    }

    /// The path in a line of `/proc/self/cgroup`, `number:controllers:path`, if it is of this
    /// hierarchy.
    fn group<'l>(&self, line: &'l str) -> Option<&'l str> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let ours = if self.file == V2 {
            controllers.is_empty()
        } else {
            controllers.split(',').any(|name| name == "memory")
        };
        ours.then_some(path)
    }
}

const V1: &str = "memory.limit_in_bytes";
const V2: &str = "memory.max";

/// `max`, or a number that no machine has, is no limit.
fn limit(text: &str) -> Option<u64> {
    let bytes: u64 = text.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes)
}

fn total_memory(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(groups: &str, mounts: &str) -> Vec<String> {
        let files = limit_files(groups, mounts);
        files
            .iter()
            .map(|file| file.display().to_string())
            .collect()
    }

    #[test]
    fn a_version_2_limit_may_stand_at_the_group_or_at_any_parent() {
        let mounts = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n\
                      30 23 0:27 / /proc rw - proc proc rw\n";
        assert_eq!(
            files("0::/system.slice/app.service\n", mounts),
            [
                "/sys/fs/cgroup/system.slice/app.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        assert_eq!(files("0::/\n", mounts), ["/sys/fs/cgroup/memory.max"]);
    }

    #[test]
    fn in_version_1_the_hierarchy_with_the_memory_controller_counts() {
        let groups = "9:name=systemd:/\n4:cpu,memory:/docker/abc\n1:cpu:/elsewhere\n0::/\n";
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        assert_eq!(
            files(groups, mounts),
            ["/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    fn both_versions_at_once_are_both_read() {
        let mounts = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            files("4:memory:/a\n0::/b\n", mounts),
            [
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/unified/b/memory.max",
                "/sys/fs/cgroup/unified/memory.max",
            ]
        );
    }

    #[test]
    fn what_is_no_limit_is_not_taken_for_one() {
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit("67108864\n"), Some(64 * 1024 * 1024));
        assert_eq!(limit(""), None);
    }

    #[test]
    fn the_machines_memory_is_read_in_kib() {
        let text = "MemTotal:       24683656 kB\nMemFree:        22646172 kB\n";
        assert_eq!(total_memory(text), Some(24_683_656 * 1024));
        assert_eq!(total_memory("MemTotal: much\n"), None);
        assert_eq!(total_memory("MemTotal: 18446744073709551615 kB\n"), None);
    }

    #[test]
    fn odd_lines_are_passed_over() {
        assert!(files("", "").is_empty());
        assert!(files("0::/a", "- \n - cgroup2\nx y z / - cgroup2 cgroup2 rw\n").is_empty());
        assert!(files("0\n::\n", "1 2 3 / /c rw - cgroup2 c rw\n").len() <= 1);
    }

    #[test]
    fn there_is_always_a_budget() {
        assert!(default_budget() > 0);
    }
}
