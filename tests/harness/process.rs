//! Children that never outlive the run.
//!
//! Dropping a [`Process`] kills it. Where nothing is dropped, because the run was
//! interrupted or killed, the kernel does: the child asks for SIGKILL at its parent's
//! death. The kernel means the parent *thread*, and a test's thread ends with its test,
//! so that one thread, which never ends, starts all children.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

type Spawned = std::io::Result<Child>;

fn spawn(command: Command) -> Spawned {
    type Order = (Command, Sender<Spawned>);
    static SPAWNER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = channel::<Order>();
        let work = move || {
            for (mut command, answer) in inbox {
                // Whoever asked may have gone: then the child has no owner, and is killed.
                if let Err(orphan) = answer.send(command.spawn())
                    && let Ok(mut child) = orphan.0
                {
                    let _ = child.kill();
                }
            }
        };
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(work)
            .expect("a thread to start children from");
        Mutex::new(orders)
    });
    let (answer, spawned) = channel();
    locked(spawner).send((command, answer)).expect("the spawner never ends");
    spawned.recv().expect("the spawner answers")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// A child to be: its program, arguments, environment and log.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    log: PathBuf,
}

/// A running child, killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    command: Box<Builder>,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    /// A child called `name` in error messages, with its files in `folder`: its log is
    /// `<name>.log` there, to which each start adds.
    pub fn builder(name: &str, program: impl Into<PathBuf>, folder: &Path) -> Builder {
        Builder {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: folder.into(),
            log: folder.join(format!("{name}.log")),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        locked(&self.child).id()
    }

    /// How it ended, or nothing while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        locked(&self.child).try_wait().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Sends a signal; nothing happens where the process has ended.
    pub fn signal(&self, signal: Signal) {
        // The child is not reaped before the lock is released: the id is still its own.
        let mut child = locked(&self.child);
        if matches!(child.try_wait(), Ok(None))
            && let Some(pid) = Pid::from_raw(child.id().cast_signed())
        {
            kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        }
    }

    /// Stops it in its tracks, without ending it: a machine that hangs.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills it, as the kernel does when memory runs out, and waits for its end.
    pub fn kill(&self) -> ExitStatus {
        let mut child = locked(&self.child);
        let _ = child.kill();
        child.wait().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Kills it, and starts it again as it was started before. The log goes on.
    pub fn start_again(&self) {
        self.kill();
        *locked(&self.child) = self.command.spawn();
    }

    /// Asks it to end with SIGTERM, and waits.
    ///
    /// # Panics
    ///
    /// Where it has not ended at the deadline; it is killed then.
    pub async fn stop(&self, deadline: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        match self.ended(deadline).await {
            Some(status) => status,
            None => {
                self.kill();
                panic!("{} ignored SIGTERM for {deadline:?}\n{}", self.name, self.log_tail(40));
            }
        }
    }

    /// Waits for its end; nothing where it still runs at the deadline.
    pub async fn ended(&self, deadline: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            match self.exit_status() {
                None if began.elapsed() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await
                }
                status => return status,
            }
        }
    }

    /// # Panics
    ///
    /// Where it has ended, with how and with the end of its log: for waiting loops, which
    /// should not wait for a dead process.
    pub fn assert_running(&self) {
        if let Some(status) = self.exit_status() {
            let how = match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            };
            panic!("{} ended ({how})\n{}", self.name, self.log_tail(40));
        }
    }

    /// All that it has written to its standard output and error.
    pub fn log(&self) -> String {
        match std::fs::read(&self.log) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => panic!("{}: {error}", self.log.display()),
        }
    }

    /// The last lines of its log, under a heading: for error messages.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        let tail = all[all.len().saturating_sub(lines)..].join("\n");
        format!("--- the end of {} ---\n{tail}\n---", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Builder {
    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().into());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().into()));
        self
    }

    /// Sets one variable. Of the runner's own environment the child sees only `PATH`, so
    /// that a developer's AWS profile or kubeconfig decides nothing.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Where it cannot be started.
    pub fn start(&self) -> Process {
        let child = Mutex::new(self.spawn());
        Process {
            name: self.name.clone(),
            command: Box::new(self.clone()),
            child,
            log: self.log.clone(),
        }
    }

    fn spawn(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap_or_else(|error| panic!("{}: {error}", self.log.display()));
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("TMPDIR", &self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle on the log"))
            .stderr(log);
        spawn(command).unwrap_or_else(|error| {
            panic!("{}: setpriv (of util-linux) did not start: {error}", self.name)
        })
    }
}
