//! A world with its controllers, and the time that passes in it.

pub use super::instance::{HOME, Instance, Setup};
use super::logs::Logs;
use super::state::Shared;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::time::Duration;

/// How long a controller that is asked to end may take, at most.
const SHUTDOWN: SignedDuration = SignedDuration::from_secs(20);

/// The ConfigMap with the administrator's orders on withdrawals.
pub const ORDERS: &str = "refreshable-controller-withdrawals";

/// A world with its controllers.
pub struct World {
    pub shared: Shared,
    pub instances: Vec<Instance>,
    /// Where a violation is what a test waits for, it does not end the run.
    pub tolerant: bool,
    started: usize,
    logs: Logs,
}

impl World {
    /// An empty world with one controller.
    pub fn new(seed: u64, setup: Setup) -> Self {
        let shared = Shared::new(seed);
        super::users::NAMESPACES.iter().for_each(|name| shared.lock().put_namespace(name));
        shared.lock().put_policy(
            "all",
            json!({"namespaceSelector": {}, "allow": {"roles": [{"arns": ["arn:aws:iam::*:role/*"]}]}}),
        );
        let mut world = Self {
            shared,
            instances: Vec::new(),
            tolerant: false,
            started: 0,
            logs: Logs::listen(),
        };
        world.add_instance(setup);
        world
    }

    /// Starts another controller; the first one leads.
    pub fn add_instance(&mut self, setup: Setup) {
        let instance = Instance::start(&self.shared, self.started, setup);
        self.started += 1;
        self.instances.push(instance);
    }

    /// Where the controller is that holds the lease: the first, where none that runs does.
    fn leader(&self) -> usize {
        let holder = super::leases::holder(&self.shared.lock());
        self.instances.iter().position(|i| Some(i.number) == holder).unwrap_or_default()
    }

    /// The controller that leads.
    pub fn leading(&self) -> &Instance {
        &self.instances[self.leader()]
    }

    /// The controller that leads is asked to end, and another one begins.
    pub fn hand_over(&mut self) {
        let gone = self.leading();
        gone.stop();
        let again = gone.again();
        let until = self.now() + again.takeover() + SHUTDOWN;
        self.shared.lock().auditor.hinder_until(until);
        self.add_instance(again);
    }

    /// The controller that leads crashes, and another one takes its place once its lease has ended.
    pub fn crash(&mut self) {
        let gone = self.instances.remove(self.leader());
        self.shared.lock().died = false;
        self.replace(gone);
    }

    /// Somebody else for an instance that is no more.
    fn replace(&mut self, gone: Instance) {
        let setup = gone.again();
        drop(gone);
        {
            let mut state = self.shared.lock();
            let until = state.now().max(state.unrenewable_until) + setup.takeover();
            state.auditor.hinder_until(until);
        }
        let instance = Instance::start(&self.shared, self.started, setup);
        self.started += 1;
        self.instances.insert(0, instance);
    }

    /// From now on, the lease cannot be renewed for so long.
    pub fn hinder_renewals(&self, time: SignedDuration) {
        let mut state = self.shared.lock();
        state.unrenewable_until = state.now() + time;
        // Work that came due meanwhile is done soon after, also where somebody waits for the lease.
        let done = state.unrenewable_until + self.instances[0].setup.takeover();
        state.auditor.hinder_until(done);
    }

    /// The machines of all controllers stand still for so long. What came due meanwhile is due when
    /// they go on, all at once; and where somebody could take the lease, somebody has.
    pub async fn stand_still(&mut self, time: SignedDuration) {
        let takeover = self.instances[0].setup.takeover();
        {
            let mut state = self.shared.lock();
            let lasts = self.instances[0].setup.lease.duration();
            let mut until = state.now() + time;
            if time > SignedDuration::try_from(lasts).expect("a time") {
                super::leases::take(&mut state);
                until += takeover;
            }
            state.auditor.hinder_until(until + takeover);
        }
        tokio::time::advance(Duration::try_from(time).expect("a time")).await;
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().now()
    }

    /// Runs for this long.
    pub async fn run(&mut self, time: SignedDuration) {
        let end = self.now() + time;
        let alarm = self.shared.lock().alarm.clone();
        loop {
            if self.shared.lock().died {
                self.crash();
            }
            self.bury();
            self.object_to_violations();
            let now = self.now();
            if now >= end {
                super::auditor::sweep(&mut self.shared.lock());
                self.search_output();
                self.object_to_violations();
                return;
            }
            let wait = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            tokio::select! {
                biased;
                () = alarm.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// An instance that has ended is begun again, unless it was asked to end.
    fn bury(&mut self) {
        while let Some(at) = self.instances.iter().position(Instance::has_ended) {
            let gone = self.instances.remove(at);
            if !gone.was_stopped() {
                self.replace(gone);
            }
        }
    }

    /// No secret stands in the log or the metrics.
    fn search_output(&self) {
        let leaked = self.logs.take_leaks().into_iter().map(|line| format!("the log: {line}"));
        let pages = self.instances.iter().map(Instance::metrics_page);
        let leaked = leaked.chain(
            pages.filter(|p| p.contains(super::sts::CANARY)).map(|_| "the metrics".to_owned()),
        );
        let mut state = self.shared.lock();
        for place in leaked {
            state.auditor.check(Some(format!("5, never leaked: a secret stands in {place}")));
        }
    }

    fn object_to_violations(&self) {
        let now = self.now();
        let violations = std::mem::take(&mut self.shared.lock().auditor.violations);
        assert!(self.tolerant || violations.is_empty(), "at {now}: {}", violations.join("\n"));
        self.shared.lock().auditor.violations = violations;
    }
}
