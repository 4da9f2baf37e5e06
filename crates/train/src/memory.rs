//! How much memory this process may still use, where the system says that.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes that this process may still use: what the machine has left, within the limits of its cgroups and of its address space. None where nothing tells.
pub(crate) fn available() -> Option<u64> {
    available_under(Path::new("/"))
}

fn available_under(root: &Path) -> Option<u64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let machine = read("proc/meminfo").and_then(|text| field(&text, "MemAvailable:")).map(|kib| kib << 10);
    let cgroup = read("proc/self/cgroup").and_then(|text| cgroup_left(root, &text));
    let address_space = read("proc/self/limits").zip(read("proc/self/status")).and_then(|(limits, status)| {
        let limit = field(&limits, "Max address space")?;
        Some(limit.saturating_sub(field(&status, "VmSize:")? << 10))
    });
    [machine, cgroup, address_space].into_iter().flatten().min()
}

/// The number that follows `name` at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// What the cgroups of this process leave: the least of its own and of those above it, of either version.
fn cgroup_left(root: &Path, cgroups: &str) -> Option<u64> {
    let version = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let path = path.trim_start_matches('/').to_string();
        match controllers {
            "" => Some((&V2, path)),
            c if c.split(',').any(|c| c == "memory") => Some((&V1, path)),
            _ => None,
        }
    };
    cgroups.lines().filter_map(version).flat_map(|(files, path)| levels(root, files, &path)).min()
}

/// Where a version of cgroups keeps its numbers.
struct Files {
    mount: &'static str,
    limit: &'static str,
    used: &'static str,
    /// What is counted as used and can be given up: files that are kept in memory.
    cache: &'static str,
}

const V1: Files = Files {
    mount: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: "total_inactive_file",
};
const V2: Files = Files { mount: "sys/fs/cgroup", limit: "memory.max", used: "memory.current", cache: "inactive_file" };

fn levels(root: &Path, files: &'static Files, path: &str) -> Vec<u64> {
    let mount = root.join(files.mount);
    let left = |directory: &PathBuf| {
        let number = |name: &str| fs::read_to_string(directory.join(name)).ok()?.trim().parse::<u64>().ok();
        let stat = fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
        let used = number(files.used)?.saturating_sub(field(&stat, files.cache).unwrap_or(0));
        Some(number(files.limit)?.saturating_sub(used))
    };
    let own = mount.join(path);
    let directories = own.ancestors().take_while(|directory| directory.starts_with(&mount)).map(Path::to_path_buf);
    directories.filter_map(|directory| left(&directory)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn the_tightest_limit_counts() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let left = || available_under(root);
        assert_eq!(left(), None);
        write(root, &[("proc/meminfo", "MemTotal:  2000 kB\nMemAvailable:   1000 kB\n")]);
        assert_eq!(left(), Some(1000 << 10));
        // The group itself has no limit, the one above it has.
        write(
            root,
            &[
                ("proc/self/cgroup", "0::/user/job\n"),
                ("sys/fs/cgroup/user/job/memory.max", "max\n"),
                ("sys/fs/cgroup/user/job/memory.current", "70000\n"),
                ("sys/fs/cgroup/user/memory.max", "900000\n"),
                ("sys/fs/cgroup/user/memory.current", "500000\n"),
                ("sys/fs/cgroup/user/memory.stat", "anon 1\ninactive_file 100000\n"),
            ],
        );
        assert_eq!(left(), Some(500_000));
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax address space   400000   unlimited   bytes\n";
        write(root, &[("proc/self/limits", limits), ("proc/self/status", "VmPeak: 3 kB\nVmSize:\t     100 kB\n")]);
        assert_eq!(left(), Some(400_000 - 102_400));
        write(root, &[("proc/self/limits", "Max address space   unlimited   unlimited   bytes\n")]);
        assert_eq!(left(), Some(500_000));
        write(
            root,
            &[
                ("proc/self/cgroup", "4:cpu,memory:/job\n1:name=systemd:/\n"),
                ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "300000\n"),
                ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "400000\n"),
                ("sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 150000\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "7\n"),
            ],
        );
        assert_eq!(left(), Some(50_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_what_it_has() {
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
