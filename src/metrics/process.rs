//! What the operating system says of this process, where it has `/proc`.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Ticks a second in which Linux counts the time of a process: a fixed part of its interface.
const TICKS_A_SECOND: f64 = 100.0;
/// Where user and system time stand in `/proc/self/stat`, after the name of the program.
const TICKS_FIELDS: std::ops::Range<usize> = 11..13;

/// Numbers of this process, under the names that Prometheus has for them.
#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    threads: Gauge,
    open_files: Gauge,
}

impl ProcessMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let registry = registry.sub_registry_with_prefix("process");
        let (cpu, resident, threads, open_files) = Default::default();
        registry.register_with_unit("cpu", "User and system time", Unit::Seconds, Counter::clone(&cpu));
        let help = "Resident memory";
        registry.register_with_unit("resident_memory", help, Unit::Bytes, Gauge::clone(&resident));
        registry.register("threads", "Threads", Gauge::clone(&threads));
        registry.register("open_fds", "Open files and sockets", Gauge::clone(&open_files));
        Self { cpu, resident, threads, open_files }
    }

    /// Reads the numbers as they are now; what cannot be read stays as it was.
    pub fn read(&self) {
        if let Some(seconds) = read("stat").and_then(|text| cpu_seconds(&text)) {
            let counted = self.cpu.get();
            if seconds > counted {
                self.cpu.inc_by(seconds - counted);
            }
        }
        if let Some(status) = read("status") {
            if let Some(kibibytes) = number(&status, "VmRSS:") {
                self.resident.set(kibibytes.saturating_mul(1_024));
            }
            if let Some(threads) = number(&status, "Threads:") {
                self.threads.set(threads);
            }
        }
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
        }
    }
}

fn read(name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{name}")).ok()
}

/// The program's name stands in brackets and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields.get(TICKS_FIELDS)?.iter().map(|field| field.parse::<f64>());
    Some(ticks.sum::<Result<f64, _>>().ok()? / TICKS_A_SECOND)
}

fn number(status: &str, name: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_move_the_fields() {
        let stat = "7 (day) book (x) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 3 0 9 9 9";
        assert_eq!(cpu_seconds(stat), Some(4.0));
        assert_eq!(cpu_seconds("7 (daybook) S 1"), None);
    }

    #[test]
    fn numbers_are_found_by_their_name() {
        let status = "Name:\tdaybook\nVmRSS:\t   4096 kB\nThreads:\t5\n";
        assert_eq!((number(status, "VmRSS:"), number(status, "Threads:")), (Some(4_096), Some(5)));
        assert_eq!(number(status, "VmSwap:"), None);
    }
}
