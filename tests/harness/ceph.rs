//! Ceph's object gateway (RGW): a real STS that is not AWS's, over a cluster of one monitor and one
//! OSD in memory.

use super::eventually::eventually;
use super::process::{Builder, Process};
use super::{background, canary, http, place, ports, programs, scratch};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Longest time until the gateway answers, on a loaded machine.
const READY: Duration = Duration::from_secs(90);
const FSID: &str = "6b0c0a8e-2f0b-4f1e-9a53-0d3c5b8d9f10";

/// A running gateway. It ends when dropped.
pub struct Rgw {
    /// Where it listens.
    pub url: String,
    programs: Programs,
    _processes: [Process; 3],
}

/// A user of the store.
#[derive(Clone)]
pub struct User {
    /// `AWS_ACCESS_KEY_ID`.
    pub key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret: String,
}

impl Rgw {
    /// The gateway that all tests of a run share. Tests keep apart by the names of users and roles.
    pub async fn shared() -> &'static Rgw {
        static SHARED: OnceCell<Rgw> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Rgw {
        let root = background::blocking(programs::ceph).await;
        let (monitor, gateway) = (ports::free(), ports::free());
        let address = place::address();
        let folder = scratch::subfolder("ceph");
        for data in ["mon", "osd", "rgw"] {
            std::fs::create_dir(folder.join(data)).expect("a folder");
        }
        let programs = Programs { root, folder };
        let conf = programs.conf(&address.to_string(), monitor, gateway);
        scratch::write(programs.folder.join("ceph.conf"), conf);

        let monitors = programs.folder.join("monmap").display().to_string();
        let listed = [
            "--create",
            "--add",
            "a",
            &format!("v1:{address}:{monitor}"),
            "--fsid",
            FSID,
            &monitors,
        ];
        programs.run("monmaptool", &listed).await.expect("a list of monitors");
        programs
            .run("ceph-mon", &["--id", "a", "--mkfs", "--monmap", &monitors])
            .await
            .expect("a monitor's store");
        let mon = programs.daemon("ceph-mon", &["--id", "a", "-f"]).start();
        programs
            .run("ceph-osd", &["--id", "0", "--mkfs", "--osd-uuid", FSID])
            .await
            .expect("an OSD's store");
        let osd = programs.daemon("ceph-osd", &["--id", "0", "-f"]).start();
        let rgw = programs.daemon("radosgw", &["--name", "client.rgw.a", "-f"]).start();
        let url = format!("http://{address}:{gateway}");
        eventually(READY, "Ceph's gateway answers", async || {
            // On a loaded machine an OSD may send its first command before it has the monitors'
            // map, thus without the cluster's identity. The monitor refuses that, and the OSD ends.
            // Ceph's own units start it again.
            if osd.exit_status().is_some() {
                osd.start_again();
            }
            for process in [&mon, &rgw] {
                process.assert_running();
            }
            match http::get(&url).await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}\n{}", osd.log_tail(20), rgw.log_tail(20))),
            }
        })
        .await;
        Rgw { url, programs, _processes: [mon, osd, rgw] }
    }

    /// A user by this name, who may administrate roles and identity providers.
    pub async fn user(&self, name: &str) -> User {
        self.user_of(None, name).await
    }

    /// The same, in a tenant.
    pub async fn user_of(&self, tenant: Option<&str>, name: &str) -> User {
        let user =
            User { key_id: format!("key-of-{name}"), secret: format!("the-secret-of-{name}-4711") };
        canary::register(&user.secret);
        let mut create = vec!["user", "create", "--uid", name, "--display-name", name];
        create.extend(["--access-key", &user.key_id, "--secret-key", &user.secret]);
        create.extend(["--caps", "oidc-provider=*;roles=*;user-policy=*"]);
        create.extend(tenant.iter().flat_map(|t| ["--tenant", t]));
        // At first the gateway makes its pools at the same time, and one of both is refused.
        eventually(READY, "the user is made", async || self.admin(&create).await).await;
        user
    }

    /// A role with this path, name and trust, whose sessions may use S3; its ARN.
    pub async fn role(
        &self,
        tenant: Option<&str>,
        path: &str,
        name: &str,
        trust: &Value,
    ) -> String {
        let of_tenant: Vec<&str> = tenant.iter().flat_map(|t| ["--tenant", t]).collect();
        let trust = trust.to_string();
        let create = [
            "role",
            "create",
            "--role-name",
            name,
            "--path",
            path,
            "--assume-role-policy-doc",
            &trust,
        ];
        let role = self.admin(&[&create[..], &of_tenant].concat()).await.expect("a role");
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "arn:aws:s3:::*"}],
        })
        .to_string();
        let put = [
            "role-policy",
            "put",
            "--role-name",
            name,
            "--policy-name",
            "s3",
            "--policy-doc",
            &policy,
        ];
        self.admin(&[&put[..], &of_tenant].concat()).await.expect("a policy");
        let role: Value = serde_json::from_str(&role).expect("JSON");
        role["Arn"].as_str().unwrap_or_else(|| panic!("{role}")).to_owned()
    }

    async fn admin(&self, arguments: &[&str]) -> Result<String, String> {
        self.programs.run("radosgw-admin", arguments).await
    }
}

/// Ceph's programs with their libraries, over one folder of data.
struct Programs {
    root: PathBuf,
    folder: PathBuf,
}

impl Programs {
    fn conf(&self, address: &str, monitor: u16, gateway: u16) -> String {
        let (data, libraries) = (self.folder.display(), self.libraries());
        let libraries = libraries.display();
        format!(
            "[global]\n\
             fsid = {FSID}\n\
             mon host = v1:{address}:{monitor}\n\
             auth cluster required = none\n\
             auth service required = none\n\
             auth client required = none\n\
             public addr = {address}\n\
             cluster addr = {address}\n\
             ms bind msgr2 = false\n\
             admin socket =\n\
             run dir = {data}\n\
             log file =\n\
             log to stderr = true\n\
             debug rocksdb = 0\n\
             debug memstore = 0\n\
             mon cluster log file = {data}/cluster.log\n\
             plugin dir = {libraries}/ceph\n\
             erasure code dir = {libraries}/ceph/erasure-code\n\
             osd class dir = {libraries}/rados-classes\n\
             osd pool default size = 1\n\
             osd pool default min size = 1\n\
             osd pool default pg num = 1\n\
             osd pool default pgp num = 1\n\
             osd pool default pg autoscale mode = off\n\
             osd crush chooseleaf type = 0\n\
             osd objectstore = memstore\n\
             memstore device bytes = 134217728\n\
             mon data avail crit = 0\n\
             # Each pool of the gateway is a round of the monitor's: it does not wait for more to come.\n\
             paxos propose interval = 0.05\n\
             paxos min wait = 0.01\n\
             mon data = {data}/mon\n\
             osd data = {data}/osd\n\
             rgw data = {data}/rgw\n\
             rgw frontends = beast endpoint={address}:{gateway}\n\
             rgw thread pool size = 16\n\
             rgw s3 auth use sts = true\n\
             rgw sts key = abcdefghijklmnop\n"
        )
    }

    fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib").join(triplet())
    }

    fn library_path(&self) -> String {
        let folders = [
            self.root.join("lib").join(triplet()),
            self.libraries(),
            self.libraries().join("ceph"),
        ];
        folders.map(|f| f.display().to_string()).join(":")
    }

    fn program(&self, name: &str) -> PathBuf {
        self.root.join("usr/bin").join(name)
    }

    fn daemon(&self, name: &str, arguments: &[&str]) -> Builder {
        Process::builder(name, self.program(name), &self.folder)
            .arg("--conf")
            .arg(self.folder.join("ceph.conf"))
            .args(arguments)
            .env("LD_LIBRARY_PATH", self.library_path())
    }

    /// Runs a program to its end: what it printed, or what it complained of.
    async fn run(&self, name: &str, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(self.program(name))
            .arg("--conf")
            .arg(self.folder.join("ceph.conf"))
            .args(arguments)
            .env("LD_LIBRARY_PATH", self.library_path())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("{name}: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }
}

/// Debian's name for this machine in the paths of libraries.
fn triplet() -> &'static Path {
    Path::new(if cfg!(target_arch = "aarch64") { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" })
}
