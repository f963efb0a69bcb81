//! A pod's object, as the API has it, put into the runtime's words: what a kubelet does.
//!
//! So a test can run the very pod template that users apply. Whatever of an object is not handled
//! here is refused: a test must not pass because half of the manifest was ignored.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, EnvVar, Pod, PodIP, PodSpec, SecurityContext, VolumeMount,
};

use crate::cri::messages::{
    Capability, ContainerConfig, ContainerMetadata, ImageSpec, Int64Value, KeyValue,
    LinuxContainerConfig, LinuxContainerResources, LinuxContainerSecurityContext,
    LinuxPodSandboxConfig, LinuxSandboxSecurityContext, Mount, NamespaceMode, NamespaceOption,
    PodSandboxConfig, PodSandboxMetadata, ProfileType, SecurityProfile,
};

/// A pod that runs on the node.
#[derive(Debug)]
pub struct RunningPod {
    /// The object, as the API server would show it now.
    pub object: Pod,
    pub(crate) config: PodSandboxConfig,
    pub(crate) sandbox: String,
    pub(crate) containers: Vec<(String, String)>,
}

impl RunningPod {
    /// The pod's IP address.
    #[must_use]
    pub fn ip(&self) -> &str {
        let status = self.object.status.as_ref();
        status
            .and_then(|status| status.pod_ip.as_deref())
            .unwrap_or_default()
    }

    /// The pod's UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.object.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The pod's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Says in the object that nothing of it runs yet.
    pub(crate) fn set_pending(&mut self) {
        let status = self.object.status.get_or_insert_default();
        status.phase = Some("Pending".to_owned());
    }

    /// Says in the object that it runs.
    pub(crate) fn set_running(&mut self, ip: &str) {
        let running = |(name, id): &(String, String)| ContainerStatus {
            name: name.clone(),
            container_id: Some(format!("containerd://{id}")),
            ready: true,
            ..ContainerStatus::default()
        };
        let statuses = self.containers.iter().map(running).collect();
        let status = self.object.status.get_or_insert_default();
        status.phase = Some("Running".to_owned());
        status.pod_ip = Some(ip.to_owned());
        status.pod_ips = Some(vec![PodIP { ip: ip.to_owned() }]);
        status.container_statuses = Some(statuses);
    }
}

pub(crate) fn spec(pod: &Pod) -> Result<&PodSpec> {
    pod.spec.as_ref().context("a pod without a spec")
}

/// What the runtime is told of the pod as a whole.
pub(crate) fn sandbox(pod: &Pod, cgroups: &str, logs: &str) -> Result<PodSandboxConfig> {
    let metadata = &pod.metadata;
    let spec = spec(pod)?;
    ensure!(
        spec.init_containers.is_none() && spec.host_ipc.is_none(),
        "init containers and hostIPC are not handled"
    );
    let name = metadata.name.clone().context("a pod without a name")?;
    let uid = metadata.uid.clone().context("a pod without a UID")?;
    let privileged = spec.containers.iter().any(|container| {
        let security = container.security_context.as_ref();
        security.and_then(|security| security.privileged) == Some(true)
    });
    Ok(PodSandboxConfig {
        hostname: name.clone(),
        log_directory: format!("{logs}/{name}_{uid}"),
        labels: metadata
            .labels
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: format!("{cgroups}/kubepods/besteffort/pod{uid}"),
            security_context: Some(LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(spec)),
                privileged,
            }),
        }),
        metadata: Some(PodSandboxMetadata {
            name,
            uid,
            namespace: metadata.namespace.clone().unwrap_or_default(),
            attempt: 0,
        }),
    })
}

fn namespaces(spec: &PodSpec) -> NamespaceOption {
    let of_node = |asked: Option<bool>, other: NamespaceMode| {
        if asked == Some(true) {
            NamespaceMode::Node as i32
        } else {
            other as i32
        }
    };
    NamespaceOption {
        network: of_node(spec.host_network, NamespaceMode::Pod),
        pid: of_node(spec.host_pid, NamespaceMode::Container),
        ipc: NamespaceMode::Pod as i32,
    }
}

/// What the runtime is told of one container, the `attempt`th of its name.
pub(crate) fn container(pod: &Pod, container: &Container, attempt: u32) -> Result<ContainerConfig> {
    let spec = spec(pod)?;
    let name = container.name.clone();
    let env = container.env.iter().flatten();
    let mounts = container.volume_mounts.iter().flatten();
    Ok(ContainerConfig {
        image: Some(ImageSpec {
            image: container.image.clone().context("no image")?,
        }),
        command: container.command.clone().unwrap_or_default(),
        args: container.args.clone().unwrap_or_default(),
        envs: env
            .map(|variable| environment(pod, variable))
            .collect::<Result<_>>()?,
        mounts: mounts
            .map(|mount| volume(spec, mount))
            .collect::<Result<_>>()?,
        log_path: format!("{name}.log"),
        linux: Some(LinuxContainerConfig {
            resources: Some(LinuxContainerResources {
                memory_limit_in_bytes: memory_limit(container)?,
            }),
            security_context: Some(security(spec, container.security_context.as_ref())?),
        }),
        metadata: Some(ContainerMetadata { name, attempt }),
    })
}

fn environment(pod: &Pod, variable: &EnvVar) -> Result<KeyValue> {
    let from = variable.value_from.as_ref();
    let field = from.and_then(|from| from.field_ref.as_ref());
    let value = match (&variable.value, field.map(|field| &*field.field_path)) {
        (Some(value), None) => value.clone(),
        (None, Some("spec.nodeName")) => {
            let node = spec(pod)?.node_name.clone();
            node.context("no spec.nodeName")?
        }
        (None, Some("metadata.name")) => {
            let name = pod.metadata.name.clone();
            name.context("no metadata.name")?
        }
        (None, Some("metadata.uid")) => {
            let uid = pod.metadata.uid.clone();
            uid.context("no metadata.uid")?
        }
        _ => bail!("variable {}: its source is not handled", variable.name),
    };
    Ok(KeyValue {
        key: variable.name.clone(),
        value,
    })
}

fn volume(spec: &PodSpec, mount: &VolumeMount) -> Result<Mount> {
    let mut volumes = spec.volumes.iter().flatten();
    let volume = volumes.find(|volume| volume.name == mount.name);
    let volume = volume.with_context(|| format!("no volume {}", mount.name))?;
    let path = volume.host_path.as_ref().map(|host| host.path.clone());
    Ok(Mount {
        container_path: mount.mount_path.clone(),
        host_path: path.with_context(|| format!("volume {} is no hostPath", mount.name))?,
        readonly: mount.read_only == Some(true),
    })
}

/// The container's memory limit in bytes; 0 if there is none.
fn memory_limit(container: &Container) -> Result<i64> {
    let resources = container.resources.as_ref();
    let limits = resources.and_then(|resources| resources.limits.as_ref());
    let Some(limit) = limits.and_then(|limits| limits.get("memory")) else {
        return Ok(0);
    };
    let number = limit.0.strip_suffix("Mi");
    let number: i64 = number.context("a limit that is not in Mi")?.parse()?;
    Ok(number << 20)
}

fn security(
    spec: &PodSpec,
    context: Option<&SecurityContext>,
) -> Result<LinuxContainerSecurityContext> {
    let nothing = SecurityContext::default();
    let context = context.unwrap_or(&nothing);
    let profile = context.seccomp_profile.as_ref();
    let seccomp = match profile.map(|profile| &*profile.type_) {
        None | Some("Unconfined") => ProfileType::Unconfined,
        Some("RuntimeDefault") => ProfileType::RuntimeDefault,
        Some(other) => bail!("seccomp profile {other} is not handled"),
    };
    let capabilities = context.capabilities.clone().unwrap_or_default();
    Ok(LinuxContainerSecurityContext {
        capabilities: Some(Capability {
            add_capabilities: capabilities.add.unwrap_or_default(),
            drop_capabilities: capabilities.drop.unwrap_or_default(),
        }),
        privileged: context.privileged == Some(true),
        namespace_options: Some(namespaces(spec)),
        run_as_user: context.run_as_user.map(|value| Int64Value { value }),
        readonly_rootfs: context.read_only_root_filesystem == Some(true),
        no_new_privs: context.allow_privilege_escalation == Some(false),
        seccomp: Some(SecurityProfile {
            profile_type: seccomp as i32,
        }),
    })
}
