//! Pods that an agent can't tell from real ones: a network namespace with `eth0` on the lab's bridge,
//! processes in it, and cgroups that bear the pod's UID.
//!
//! Needs a cgroup2 hierarchy that can be written to. What a killed run leaves behind of it are empty
//! directories; they are removed by the next run.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Once,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Family, Lab, Namespace, Process,
    cleanup::{next_number, owner_of, unique_name},
};

/// What its programs are: they do nothing, for longer than any test.
const PROGRAM: [&str; 2] = ["sleep", "86400"];

/// The cgroup of adopted processes.
const STRANGERS: &str = "strangers";

/// A running pod; all of it goes when this value is dropped.
#[derive(Debug)]
pub struct Pod {
    name: String,
    uid: String,
    sandbox: Sandbox,
    containers: Vec<Container>,
    cgroup: PathBuf,
    /// The last number of its addresses.
    host: u8,
    /// The name of its interface's other end on the node.
    peer: String,
}

/// The pod's network, and the process that keeps it.
#[derive(Debug)]
struct Sandbox {
    pause: Option<Container>,
    namespace: Namespace,
}

/// A process in a cgroup of its own.
#[derive(Debug)]
struct Container {
    // Dropped before the folder, which must be empty to be removed.
    _process: Process,
    _cgroup: Cgroup,
}

#[derive(Debug)]
struct Cgroup(PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove_cgroup(&self.0);
    }
}

impl Pod {
    /// Starts a pod with one container at the address 10.77.0.`host` (and fd00:77::`host`) of the lab;
    /// 30 to 99 are free.
    ///
    /// # Errors
    ///
    /// Without root, or without a cgroup2 hierarchy.
    pub fn start(lab: &Lab, name: &str, host: u8) -> Result<Self> {
        let root = cgroup_root()?;
        let number = next_number();
        let uid = uid_of(number);
        let cgroup = root
            .join(unique_name(number, "pods"))
            .join("kubepods/besteffort")
            .join(format!("pod{uid}"));
        fs::create_dir_all(&cgroup).with_context(|| format!("making {}", cgroup.display()))?;
        let peer = format!("pod{number}");
        let sandbox = Sandbox::start(lab, &cgroup, &peer, host)?;
        let mut pod = Self {
            name: name.to_owned(),
            uid,
            sandbox,
            containers: Vec::new(),
            cgroup,
            host,
            peer,
        };
        pod.add_container()?;
        Ok(pod)
    }

    /// The pod's network namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.sandbox.namespace
    }

    /// Its name; its namespace is `default`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pod's UID.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The pod's address in this family.
    pub fn ip(&self, family: Family) -> IpAddr {
        super::topology::address(family, self.host)
    }

    /// The name of its interface's other end on the node.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// One more container, in the same network.
    ///
    /// # Errors
    ///
    /// When the process can't be started.
    pub fn add_container(&mut self) -> Result<()> {
        let container = Container::start(&self.sandbox.namespace, &self.cgroup)?;
        self.containers.push(container);
        Ok(())
    }

    /// Moves a process of another network into the pod, as if a container had made a network of its own.
    ///
    /// # Errors
    ///
    /// When there is no such process.
    pub fn adopt(&mut self, process: &Process) -> Result<()> {
        self.adopt_as(process, STRANGERS)
    }

    /// The same, in a cgroup of this name that a container has made inside of the pod's.
    ///
    /// # Errors
    ///
    /// When there is no such process.
    pub fn adopt_as(&mut self, process: &Process, cgroup: &str) -> Result<()> {
        move_to(process, &self.cgroup.join(STRANGERS).join(cgroup))
    }

    /// Ends the containers and starts them again, as a kubelet does after a failed liveness probe: the
    /// same network, other processes and container IDs.
    ///
    /// # Errors
    ///
    /// When a process can't be started.
    pub fn restart_containers(&mut self) -> Result<()> {
        let count = self.containers.len();
        self.containers.clear();
        (0..count).try_for_each(|_| self.add_container())
    }

    /// Ends the sandbox and makes another: the same UID, a new network with another address.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn restart_sandbox(&mut self, lab: &Lab, host: u8) -> Result<()> {
        let count = self.containers.len();
        self.containers.clear();
        self.peer = format!("pod{}", next_number());
        self.host = host;
        self.sandbox = Sandbox::start(lab, &self.cgroup, &self.peer, host)?;
        (0..count).try_for_each(|_| self.add_container())
    }

    /// The API's object for it while it runs on this node.
    pub fn object(&self, node: &str, labels: &[(&str, &str)]) -> Value {
        let labels: serde_json::Map<_, _> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let [v4, v6] = [Family::V4, Family::V6].map(|family| self.ip(family).to_string());
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "namespace": "default",
                "name": self.name,
                "uid": self.uid,
                "labels": labels,
            },
            "spec": {
                "nodeName": node,
                "containers": [{
                    "name": "web",
                    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                }],
            },
            "status": {
                "phase": "Running",
                "podIP": v4,
                "podIPs": [{"ip": v4}, {"ip": v6}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        })
    }
}

impl Sandbox {
    fn start(lab: &Lab, cgroup: &Path, peer: &str, host: u8) -> Result<Self> {
        let namespace = Namespace::create(unique_name(next_number(), "pod"))?;
        lab.node.ip(&format!(
            "link add eth0 netns {} type veth peer name {peer}\nlink set {peer} master lab0 up",
            namespace.name()
        ))?;
        let [v4, v6] =
            [Family::V4, Family::V6].map(|family| super::topology::address(family, host));
        namespace.ip(&format!(
            "address add {v4}/24 dev eth0\naddress add {v6}/64 dev eth0 nodad\nlink set eth0 up"
        ))?;
        Ok(Self {
            pause: Some(Container::start(&namespace, cgroup)?),
            namespace,
        })
    }
}

impl Container {
    fn start(namespace: &Namespace, pod: &Path) -> Result<Self> {
        // As long as a container ID is.
        let folder = pod.join(format!("{:064x}", next_number()));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        let cgroup = Cgroup(folder);
        let [program, argument] = PROGRAM;
        let mut command = Command::new(program);
        command
            .arg(argument)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = namespace.spawn(&mut command)?;
        move_to(&process, &cgroup.0)?;
        Ok(Self {
            _process: process,
            _cgroup: cgroup,
        })
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.containers.clear();
        self.sandbox.pause = None;
        for folder in self.cgroup.ancestors() {
            remove_cgroup(folder);
            let name = folder.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| owner_of(name).is_some()) {
                break;
            }
        }
    }
}

fn move_to(process: &Process, cgroup: &Path) -> Result<()> {
    fs::create_dir_all(cgroup)?;
    fs::write(cgroup.join("cgroup.procs"), process.id().to_string())
        .context("moving a process to its cgroup")
}

/// A UID of the form that the API gives, which no other run has.
fn uid_of(number: u32) -> String {
    format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        std::process::id(),
        number % 0x1_0000,
        number
    )
}

/// Where cgroup2 is mounted: by itself, or beside cgroup1.
fn cgroup_root() -> Result<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut mounts = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let found = mounts.find_map(|mount| match mount[..] {
        [_, place, "cgroup2", ..] => Some(PathBuf::from(place)),
        _ => None,
    });
    let root = found.context("no cgroup2 hierarchy is mounted")?;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| remove_of_ended(&root));
    Ok(root)
}

fn remove_of_ended(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(owner_of);
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            remove_cgroup(&entry.path());
        }
    }
}

/// Removes a cgroup with those inside of it. The kernel's files in it go with it, and a process that
/// was killed may hold on to it for a moment.
fn remove_cgroup(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    for _ in 0..50 {
        match fs::remove_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            _ => return,
        }
    }
}
