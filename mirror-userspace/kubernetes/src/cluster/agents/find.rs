//! Which pods are agents, and where in them the admin server listens.

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::{Api, Client, api::ListParams};

use super::because;

/// Pods in one answer of the API.
const PAGE: u32 = 500;
/// More nodes than a cluster has.
const MOST: usize = 20_000;

/// The port of an agent's admin server, unless its flags say otherwise.
const PORT: u16 = 9090;
/// Its socket, likewise.
const SOCKET: &str = "/run/podmirror/admin.sock";

/// An agent's pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPod {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The node that it is on.
    pub node: String,
    /// Whether its container is ready: attached to all that it should be.
    pub ready: bool,
    /// The container that the agent is in.
    pub container: String,
    /// The port of its admin server; `None` if it has no address.
    pub port: Option<u16>,
    /// The path of its admin socket in the container; `None` if it has none.
    pub socket: Option<String>,
    /// The flags that it was started with.
    pub flags: Vec<String>,
}

/// The agents that run in a namespace, by their nodes' names: the running pods with these labels one of whose
/// containers runs `podmirror agent`.
///
/// # Errors
/// The API can't be asked, or says no.
pub async fn find(client: &Client, namespace: &str, selector: &str) -> Result<Vec<AgentPod>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    let mut agents = Vec::new();
    loop {
        let page = pods.list(&params).await;
        let page = page.map_err(|error| because(error, "list pods"))?;
        agents.extend(page.items.into_iter().filter_map(agent));
        if agents.len() > MOST {
            bail!("more than {MOST} pods have the labels {selector}");
        }
        match page.metadata.continue_ {
            Some(next) if !next.is_empty() => params.continue_token = Some(next),
            _ => break,
        }
    }
    agents.sort_by(|one, other| (&one.node, &one.name).cmp(&(&other.node, &other.name)));
    Ok(agents)
}

fn agent(pod: Pod) -> Option<AgentPod> {
    let (spec, status) = (pod.spec?, pod.status?);
    if status.phase.as_deref() != Some("Running") {
        return None;
    }
    let (container, flags) = spec
        .containers
        .iter()
        .find_map(|it| Some((it, flags(it)?)))?;
    let mut statuses = status.container_statuses.iter().flatten();
    let told = statuses.find(|it| it.name == container.name);
    // A pod is `Running` until all of it is gone.
    let state = told.and_then(|it| it.state.as_ref());
    if state.is_some_and(|state| state.terminated.is_some()) {
        return None;
    }
    let ready = told.is_some_and(|it| it.ready);
    let (port, socket) = (port(container, &flags), socket(&flags));
    Some(AgentPod {
        namespace: pod.metadata.namespace.unwrap_or_default(),
        name: pod.metadata.name?,
        node: spec.node_name.unwrap_or_default(),
        ready,
        container: container.name.clone(),
        port,
        socket,
        flags,
    })
}

/// What stands behind `agent` in a container's command, if that is an agent's.
fn flags(container: &Container) -> Option<Vec<String>> {
    let words = container.command.iter().chain(&container.args).flatten();
    let mut words = words.skip_while(|word| *word != "agent");
    words.next()?;
    Some(words.cloned().collect())
}

fn port(container: &Container, flags: &[String]) -> Option<u16> {
    if let Some(address) = value(flags, "--admin-address") {
        let port = address.rsplit(':').next();
        return port.and_then(|port| port.parse().ok());
    }
    let ports = container.ports.iter().flatten();
    let mut named = ports.filter(|port| port.name.as_deref() == Some("admin"));
    let named = named.next().map(|port| u16::try_from(port.container_port));
    named.map_or(Some(PORT), Result::ok)
}

fn socket(flags: &[String]) -> Option<String> {
    match value(flags, "--admin-socket") {
        Some("off") => None,
        Some(path) => Some(path.to_owned()),
        None => Some(SOCKET.to_owned()),
    }
}

/// The value of `--flag value` or `--flag=value`, the last one of them.
fn value<'a>(flags: &'a [String], name: &str) -> Option<&'a str> {
    let next = flags.iter().skip(1).map(Some).chain([None]);
    let values = flags.iter().zip(next).filter_map(|(flag, next)| {
        match flag.strip_prefix(name)?.split_once('=') {
            Some(("", value)) => Some(value),
            None if flag == name => next.map(String::as_str),
            _ => None,
        }
    });
    values.last()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(command: &Value, ports: &Value) -> Option<AgentPod> {
        found_in(command, ports, &json!({"running": {}}))
    }

    fn found_in(command: &Value, ports: &Value, state: &Value) -> Option<AgentPod> {
        let pod = json!({
            "metadata": {"namespace": "podmirror", "name": "podmirror-x"},
            "spec": {"nodeName": "a", "containers": [
                {"name": "beside", "args": ["--admin-address=:1"]},
                {"name": "agent", "args": command, "ports": ports},
            ]},
            "status": {"phase": "Running", "containerStatuses": [
                {"name": "beside", "ready": false, "restartCount": 0, "image": "", "imageID": ""},
                {"name": "agent", "ready": true, "restartCount": 0, "image": "", "imageID": "",
                 "state": state},
            ]},
        });
        agent(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn an_agent_is_reached_where_its_flags_say() {
        let named = json!([{"name": "admin", "containerPort": 9191}]);
        for (flags, ports, port, socket) in [
            (json!([]), json!([]), Some(9090), Some(SOCKET)),
            (json!([]), named.clone(), Some(9191), Some(SOCKET)),
            (
                json!(["--admin-address=:80"]),
                named.clone(),
                Some(80),
                Some(SOCKET),
            ),
            (
                json!(["--admin-address", "[::1]:81"]),
                named.clone(),
                Some(81),
                Some(SOCKET),
            ),
            (json!(["--admin-address", "off"]), named, None, Some(SOCKET)),
            (
                json!(["--admin-socket", "/a"]),
                json!([]),
                Some(9090),
                Some("/a"),
            ),
            (
                json!(["--admin-socket=/a", "--admin-socket=off"]),
                json!([]),
                Some(9090),
                None,
            ),
            (
                json!(["--admin-address"]),
                json!([]),
                Some(9090),
                Some(SOCKET),
            ),
            (
                json!(["--admin-address-of=:1"]),
                json!([]),
                Some(9090),
                Some(SOCKET),
            ),
        ] {
            let mut command = vec![json!("agent")];
            command.extend(flags.as_array().unwrap().clone());
            let agent = found(&json!(command), &ports).unwrap();
            assert_eq!(
                (agent.port, agent.socket.as_deref()),
                (port, socket),
                "{flags}"
            );
            assert!(agent.ready && agent.container == "agent" && agent.node == "a");
        }
    }

    #[test]
    fn other_pods_are_no_agents() {
        assert_eq!(found(&json!(["run", "--port=80"]), &json!([])), None);
        assert_eq!(found(&json!(null), &json!([])), None);
        let gone = json!({"terminated": {"exitCode": 0}});
        assert_eq!(found_in(&json!(["agent"]), &json!([]), &gone), None);
    }
}
