//! Other processes: starting, ending, and what the kernel says they used.

use std::collections::{HashMap, HashSet};
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
}

/// What a process has used since it started: the ticks, which say how it splits into user and system, and what
/// the scheduler counted for each thread, in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Used {
    ticks: Cpu,
    threads: HashMap<(u32, u32), f64>,
}

impl Used {
    /// Of one process.
    pub fn by(pid: u32) -> anyhow::Result<Self> {
        let mut used = Self::default();
        used.add(pid, false)?;
        Ok(used)
    }

    /// Of a process and those that it started; what ended is in the ticks.
    pub fn by_family(parent: u32) -> anyhow::Result<Self> {
        let mut used = Self::default();
        used.add(parent, true)?;
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if parent_of(pid) == Some(parent) {
                // It may have ended since.
                let _ = used.add(pid, false);
            }
        }
        Ok(used)
    }

    fn add(&mut self, pid: u32, with_ended: bool) -> anyhow::Result<()> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is there")?;
        // The name, in brackets, may hold anything.
        let rest = stat.rsplit_once(')').context("a stat line")?.1;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ms = |at: usize| fields.get(at).and_then(|text| text.parse().ok()).unwrap_or(0.0) * TICK_MS;
        let ended = if with_ended { (ms(13), ms(14)) } else { (0.0, 0.0) };
        self.ticks.user_ms += ms(11) + ended.0;
        self.ticks.system_ms += ms(12) + ended.1;
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let ns = text.split_whitespace().next().and_then(|text| text.parse::<f64>().ok());
            self.threads.insert((pid, thread), ns.unwrap_or_default() / 1e6);
        }
        Ok(())
    }

    /// What was used since an earlier look. Exact but for threads that ended meanwhile; where the kernel does
    /// not count so finely, by ticks of 10 ms.
    pub fn since(&self, before: &Self) -> Cpu {
        let gone = |(key, now): (&(u32, u32), &f64)| now - before.threads.get(key).unwrap_or(&0.0);
        let exact_ms: f64 = self.threads.iter().map(gone).sum();
        let ticks = Cpu {
            user_ms: self.ticks.user_ms - before.ticks.user_ms,
            system_ms: self.ticks.system_ms - before.ticks.system_ms,
        };
        // Ticks are off by one in each process at most.
        let processes = self.threads.keys().map(|(pid, _)| pid).collect::<HashSet<_>>().len() as f64;
        if exact_ms == 0.0 || ticks.total_ms() > exact_ms + 2.0 * TICK_MS * processes {
            return ticks;
        }
        let split = if ticks.total_ms() < 20.0 * TICK_MS { self.ticks } else { ticks };
        let user = split.user_ms / split.total_ms().max(TICK_MS);
        Cpu { user_ms: exact_ms * user, system_ms: exact_ms * (1.0 - user) }
    }
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
