//! The agent's image in real pods: containerd, runc and CNI, beside v1 and v2.
#![cfg(test)]
use cluster_lab::*;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;
use xtask::lab::RawClient;

fn server(name: &str) -> Pod {
    serde_json::from_value(json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":name,"namespace":"default","labels":{"app":"web","version":name}},"spec":{"containers":[{"name":"web","image":POD_IMAGE,"args":["serve",name,"80"]}]}})).unwrap()
}

#[test]
fn scratch() {
    let mut node = Node::start().unwrap();
    let v1 = node.run(server("v1")).unwrap();
    let v2 = node.run(server("v2")).unwrap();
    eprintln!("{} {}", v1.ip(), v2.ip());
    node.import(&std::fs::read(std::env::var("IMG").unwrap()).unwrap())
        .unwrap();
    let pid = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|e| {
            let c = std::fs::read_to_string(e.path().join("cgroup")).ok()?;
            if !c.contains(v1.uid()) {
                return None;
            }
            let s = std::fs::read_to_string(e.path().join("status")).ok()?;
            eprintln!("{c}");
            let l = s.lines().find(|l| l.starts_with("NSpid"))?;
            eprintln!("{l}");
            l.split_whitespace().nth(2).map(str::to_owned)
        })
        .unwrap();
    for overlay in ["base", "overlays/least-privilege"] {
        let objs = manifests::kustomize(overlay).unwrap();
        let ds = manifests::of_kind(&objs, "DaemonSet").unwrap();
        let mut pod = json!({"apiVersion":"v1","kind":"Pod","metadata":{"name":"agent","namespace":"podmirror"},"spec":ds["spec"]["template"]["spec"]});
        pod["spec"]["containers"][0]["args"] = json!([
            "run",
            "--netns",
            format!("/host/proc/{pid}/ns/net"),
            "--interface",
            "eth0",
            "--port",
            "80",
            "--target",
            format!("http://{}:80", v2.ip())
        ]);
        let agent = node.run(serde_json::from_value(pod).unwrap()).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(1));
        eprintln!("{}", node.logs(&agent, "agent"));
        let mut c =
            RawClient::connect(node.namespace(), format!("{}:80", v1.ip()).parse().unwrap())
                .unwrap();
        c.write(b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n").unwrap();
        eprintln!("{:?}", c.read_reply("GET"));
        std::thread::sleep(std::time::Duration::from_millis(500));
        eprintln!("v1: {}v2: {}", node.logs(&v1, "web"), node.logs(&v2, "web"));
        eprintln!("{:?}", node.exit_code(&agent, "agent"));
        std::fs::read_dir("/proc").unwrap().flatten().for_each(|e| {
            let Ok(c) = std::fs::read_to_string(e.path().join("cgroup")) else {
                return;
            };
            if c.contains(agent.uid()) {
                let s = std::fs::read_to_string(e.path().join("status")).unwrap();
                for l in s.lines().filter(|l| {
                    l.starts_with("Name")
                        || l.starts_with("VmRSS")
                        || l.starts_with("VmLck")
                        || l.starts_with("CapEff")
                        || l.starts_with("Seccomp:")
                        || l.starts_with("NoNew")
                }) {
                    eprintln!("{l}")
                }
            }
        });
        node.stop(&agent, std::time::Duration::from_secs(10))
            .unwrap();
        eprintln!("{}", node.logs(&agent, "agent"));
    }
}
