//! A node: containerd and its pods, in namespaces of their own.
//!
//! containerd runs in a new network, mount and PID namespace, as kind's nodes do. Its bridge, its
//! addresses and its mounts are nobody else's, and when the first process of the PID namespace is
//! killed, the kernel ends every pod with it: nothing outlives a test, however it ends. Only the
//! pods' cgroups are in the machine's tree, under one folder, which is removed afterwards.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use lab::{Namespace, Process, Scratch, oci, oci::Image, packages};

use crate::{
    cgroups,
    cri::{
        Cri,
        messages::{
            ContainerId, ContainerStatusResponse, CreateContainerRequest, Empty, PodSandboxId,
            PodSandboxStatusResponse, RunPodSandboxRequest, StopContainerRequest,
        },
    },
    kubelet::{self, RunningPod},
    tools,
};

/// An image with one program, `/pod`: a sandbox that waits, and a small web server. See
/// `programs/pod.rs`.
pub const POD_IMAGE: &str = "lab.podmirror.test/pod:1";

/// Where Debian has the plugins.
const CNI: &str = "/usr/lib/cni";

/// What the names of a node's namespace and cgroups end with.
const ROLE: &str = "kubenode";

/// How long containerd may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node with a container runtime; all of it goes when this value is dropped.
#[derive(Debug)]
pub struct Node {
    cri: Cri,
    socket: PathBuf,
    /// The pods' cgroups are below it, in every hierarchy.
    cgroups: String,
    pods: u32,
    // Dropped in this order: first what runs, then where it ran.
    containerd: Process,
    namespace: Namespace,
    folder: Scratch,
}

impl Node {
    /// The name in `spec.nodeName`.
    pub const NAME: &str = "node-1";

    /// The node's address for its pods.
    pub const ADDRESS: &str = "10.88.0.1";

    /// Starts containerd, after installing it if need be.
    ///
    /// # Errors
    ///
    /// Without root, or when something is missing and cannot be installed.
    pub fn start() -> Result<Self> {
        for program in ["containerd", "ctr", "runc", "unshare"] {
            packages::require(program)?;
        }
        if !Path::new(CNI).join("bridge").exists() {
            packages::install(&["containernetworking-plugins"])?;
        }
        cgroups::remove_stale(ROLE);
        let namespace = Namespace::unique(ROLE)?;
        let folder = Scratch::create("containerd")?;
        configure(folder.path())?;
        let log = File::create(folder.path().join("log"))?;
        let containerd = namespace.spawn(
            Command::new("unshare")
                .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
                // A /run of its own: runc, the shims and CNI keep their state there.
                .args(["sh", "-ec", START, "start"])
                .arg(folder.path().join("config.toml"))
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        let socket = folder.path().join("containerd.sock");
        let node = Self {
            cri: Cri::at(&socket)?,
            socket,
            cgroups: format!("/{}", namespace.name()),
            pods: 0,
            containerd,
            namespace,
            folder,
        };
        node.wait_until_it_listens()?;
        node.import(&pod_image(node.folder.path())?)?;
        Ok(node)
    }

    /// The node's network: the pods' bridge is in it.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A folder on the node, for what pods mount.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Loads an image archive.
    ///
    /// # Errors
    ///
    /// When containerd refuses it.
    pub fn import(&self, archive: &[u8]) -> Result<()> {
        let file = self.folder.path().join("image.tar");
        fs::write(&file, archive)?;
        tools::run(
            Command::new("ctr")
                .arg("--address")
                .arg(&self.socket)
                .args(["--namespace", "k8s.io", "images", "import"])
                .arg(&file),
        )
    }

    /// Runs a pod: gives it a UID, starts its containers, and fills in its status.
    ///
    /// # Errors
    ///
    /// When the runtime refuses, or the object has something that this kubelet does not handle.
    pub fn run(&mut self, object: Pod) -> Result<RunningPod> {
        let mut pod = self.schedule(object)?;
        self.start_sandbox(&mut pod)?;
        self.start_containers(&mut pod)?;
        Ok(pod)
    }

    /// Gives a pod a UID and this node, as the API has it before its kubelet has done anything.
    ///
    /// # Errors
    ///
    /// When the object has something that this kubelet does not handle.
    pub fn schedule(&mut self, mut object: Pod) -> Result<RunningPod> {
        self.pods += 1;
        let (process, number) = (std::process::id(), self.pods);
        object.metadata.uid = Some(format!("{process:08x}-0000-4000-8000-{number:012x}"));
        object.spec.get_or_insert_default().node_name = Some(Self::NAME.to_owned());
        let logs = self.folder.path().join("logs");
        let config = kubelet::sandbox(&object, &self.cgroups, &logs.to_string_lossy())?;
        let mut pod = RunningPod {
            object,
            config,
            sandbox: String::new(),
            containers: Vec::new(),
        };
        pod.set_pending();
        Ok(pod)
    }

    /// Ends the pod's sandbox and makes another, as a kubelet does after a crash of the node: the
    /// UID stays, the network namespace and the address are new.
    ///
    /// # Errors
    ///
    /// As [`Node::run`].
    pub fn restart_sandbox(&mut self, pod: &mut RunningPod) -> Result<()> {
        self.remove_sandbox(pod)?;
        if let Some(metadata) = &mut pod.config.metadata {
            metadata.attempt += 1;
        }
        self.start_sandbox(pod)?;
        self.start_containers(pod)
    }

    /// Stops a pod: SIGTERM, then SIGKILL after `grace`, then its network goes. Returns how its
    /// containers ended.
    ///
    /// # Errors
    ///
    /// When the runtime refuses.
    pub fn stop(&self, pod: &RunningPod, grace: Duration) -> Result<Vec<Option<i32>>> {
        let mut codes = Vec::new();
        for (name, id) in &pod.containers {
            let request = StopContainerRequest {
                container_id: id.clone(),
                timeout: i64::try_from(grace.as_secs())?,
            };
            self.cri.call::<Empty>("StopContainer", &request)?;
            codes.push(self.exit_code(pod, name)?);
        }
        self.remove_sandbox(pod)?;
        Ok(codes)
    }

    /// How a container ended; `None` while it runs.
    ///
    /// # Errors
    ///
    /// When there is no such container.
    pub fn exit_code(&self, pod: &RunningPod, container: &str) -> Result<Option<i32>> {
        const RUNNING: i32 = 1;
        let mut containers = pod.containers.iter();
        let found = containers.find(|(name, _)| name == container);
        let (_, id) = found.with_context(|| format!("no container {container}"))?;
        let status: ContainerStatusResponse =
            self.cri.call("ContainerStatus", &container_id(id))?;
        let status = status.status.context("no status")?;
        Ok((status.state != RUNNING).then_some(status.exit_code))
    }

    /// What a container has written so far, both streams, without the runtime's time stamps.
    #[must_use]
    pub fn logs(&self, pod: &RunningPod, container: &str) -> String {
        let file = Path::new(&pod.config.log_directory).join(format!("{container}.log"));
        // Before the first line there is none.
        let text = fs::read_to_string(file).unwrap_or_default();
        // `2026-11-22T20:00:00.123456789Z stdout F the line`
        let lines = text.lines().filter_map(|line| line.splitn(4, ' ').nth(3));
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Makes a pod's sandbox, which has its network, and returns its address. The object does not tell it.
    ///
    /// # Errors
    ///
    /// When the runtime refuses.
    pub fn start_sandbox(&self, pod: &mut RunningPod) -> Result<String> {
        let request = RunPodSandboxRequest {
            config: Some(pod.config.clone()),
        };
        let made: PodSandboxId = self.cri.call("RunPodSandbox", &request)?;
        pod.sandbox = made.pod_sandbox_id;
        pod.containers.clear();
        self.address_of(pod)
    }

    /// Starts a pod's containers in its sandbox, and says in the object that it runs.
    ///
    /// # Errors
    ///
    /// When the runtime refuses.
    pub fn start_containers(&self, pod: &mut RunningPod) -> Result<()> {
        let attempt = pod.config.metadata.as_ref().map_or(0, |data| data.attempt);
        for container in &kubelet::spec(&pod.object)?.containers.clone() {
            let request = CreateContainerRequest {
                pod_sandbox_id: pod.sandbox.clone(),
                config: Some(kubelet::container(&pod.object, container, attempt)?),
                sandbox_config: Some(pod.config.clone()),
            };
            let made: ContainerId = self.cri.call("CreateContainer", &request)?;
            self.cri.call::<Empty>("StartContainer", &made)?;
            let name = container.name.clone();
            pod.containers.push((name, made.container_id));
        }
        let address = self.address_of(pod)?;
        pod.set_running(&address);
        Ok(())
    }

    fn address_of(&self, pod: &RunningPod) -> Result<String> {
        let status: PodSandboxStatusResponse =
            self.cri.call("PodSandboxStatus", &sandbox_id(pod))?;
        let network = status.status.and_then(|status| status.network);
        Ok(network.unwrap_or_default().ip)
    }

    fn remove_sandbox(&self, pod: &RunningPod) -> Result<()> {
        for method in ["StopPodSandbox", "RemovePodSandbox"] {
            self.cri.call::<Empty>(method, &sandbox_id(pod))?;
        }
        Ok(())
    }

    fn wait_until_it_listens(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.cri.call::<Empty>("Version", &Empty {}).is_err() {
            let log = fs::read_to_string(self.folder.path().join("log"));
            ensure!(
                Instant::now() < deadline,
                "containerd does not answer:\n{}",
                log.unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // All of the PID namespace goes with its first process.
        let _killed = self.containerd.terminate(Duration::ZERO);
        cgroups::remove(self.namespace.name());
    }
}

fn container_id(id: &str) -> ContainerId {
    ContainerId {
        container_id: id.to_owned(),
    }
}

fn sandbox_id(pod: &RunningPod) -> PodSandboxId {
    PodSandboxId {
        pod_sandbox_id: pod.sandbox.clone(),
    }
}

const START: &str = "mount -t tmpfs tmpfs /run; mkdir /run/netns; exec containerd --config \"$1\"";

/// Everything that containerd writes goes into the folder.
fn configure(folder: &Path) -> Result<()> {
    let path = folder.to_str().context("a temporary folder in UTF-8")?;
    let config = format!(
        r#"version = 2
root = "{path}/root"
state = "{path}/state"
[grpc]
address = "{path}/containerd.sock"
[debug]
address = "{path}/debug.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{path}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{POD_IMAGE}"
# Containers in containers may not lower it, and AppArmor's profiles may not be there.
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".containerd]
# Plain copies: the temporary folder may be an overlay itself.
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI}"
conf_dir = "{path}/net.d"
"#
    );
    let network = format!(
        r#"{{"cniVersion": "0.4.0", "name": "lab", "plugins": [{{
  "type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
  "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "10.88.0.0/24"}}]], "dataDir": "{path}/addresses"}}
}}]}}"#
    );
    fs::write(folder.join("config.toml"), config)?;
    fs::create_dir_all(folder.join("net.d"))?;
    fs::write(folder.join("net.d/10-lab.conflist"), network)?;
    Ok(())
}

/// Compiles the lab's program, static, and packs it.
fn pod_image(folder: &Path) -> Result<Vec<u8>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/pod.rs");
    let program = folder.join("pod");
    tools::run(
        Command::new("rustc")
            .args(["--edition", "2024", "-O", "-C", "strip=symbols"])
            .args(["-C", "target-feature=+crt-static", "-o"])
            .args([&program, &source]),
    )?;
    let image = Image {
        reference: POD_IMAGE,
        programs: vec![("pod", fs::read(program)?)],
        entrypoint: "/pod",
        architecture: oci::architecture()?,
        labels: Vec::new(),
    };
    Ok(image.pack()?.bytes)
}
