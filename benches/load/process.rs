//! Other processes: starting, ending, and what the kernel says they used.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// How often, and how many times, to look whether a process that was asked to end has done so.
const STOP_LOOK_EVERY: Duration = Duration::from_millis(20);
const STOP_LOOKS_MAX: u32 = 35 * 50;

/// The kernel's clock tick in `/proc/<pid>/stat`.
const TICK_MS: f64 = 10.0;

/// Time on a processor, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cpu {
    pub user_ms: f64,
    pub system_ms: f64,
}

impl Cpu {
    pub fn total_ms(self) -> f64 {
        self.user_ms + self.system_ms
    }

    pub fn since(self, before: Self) -> Self {
        Self { user_ms: self.user_ms - before.user_ms, system_ms: self.system_ms - before.system_ms }
    }

    pub fn plus(self, other: Self) -> Self {
        Self { user_ms: self.user_ms + other.user_ms, system_ms: self.system_ms + other.system_ms }
    }
}

/// What a process has used since it started; ended children that were waited for are counted where asked.
pub fn cpu(pid: u32, with_ended_children: bool) -> anyhow::Result<Cpu> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is there")?;
    // The name, in brackets, may hold anything.
    let rest = stat.rsplit_once(')').context("a stat line")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let mut cpu = Cpu { user_ms: ticks(11) * TICK_MS, system_ms: ticks(12) * TICK_MS };
    if with_ended_children {
        cpu = cpu.plus(Cpu { user_ms: ticks(13) * TICK_MS, system_ms: ticks(14) * TICK_MS });
    }
    Ok(refined(pid, cpu))
}

/// The scheduler counts nanoseconds, ticks only say how they split into user and system.
fn refined(pid: u32, ticks: Cpu) -> Cpu {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return ticks };
    let mut exact_ms = 0.0;
    for task in tasks.flatten() {
        let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { return ticks };
        let Some(Ok(ns)) = text.split_whitespace().next().map(str::parse::<f64>) else { return ticks };
        exact_ms += ns / 1e6;
    }
    // Threads that ended are in the ticks only.
    if (exact_ms - ticks.total_ms()).abs() > 5.0 * TICK_MS || ticks.total_ms() == 0.0 {
        return ticks;
    }
    let scale = exact_ms / ticks.total_ms();
    Cpu { user_ms: ticks.user_ms * scale, system_ms: ticks.system_ms * scale }
}

/// All processes whose parent is this one, and itself.
pub fn cpu_of_family(parent: u32) -> anyhow::Result<Cpu> {
    let mut sum = cpu(parent, true)?;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if parent_of(pid) == Some(parent) {
            sum = sum.plus(cpu(pid, true).unwrap_or_default());
        }
    }
    Ok(sum)
}

/// Who started a process.
pub fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Resident memory, in MiB.
pub fn rss_mib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}

/// A program that was started; it is killed if this value goes away before it was asked to end.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a program whose output goes into a file.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self(command.spawn().with_context(|| format!("cannot start {command:?}"))?))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Asks it to end, and waits for it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status()?;
        ensure!(asked.success(), "cannot ask the process to end");
        for _ in 0..STOP_LOOKS_MAX {
            if self.has_ended() {
                return Ok(());
            }
            tokio::time::sleep(STOP_LOOK_EVERY).await;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A port that nobody listens on.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
