//! The roles of `deploy/people`: what is said to be enough for a command is enough, and no more than that.

use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{objects, people::says_to, scene::Scene};
use crate::manifests::kustomize;

/// People, with the roles that they have: without its prefix, and its kind.
const PEOPLE: [(&str, &[(&str, &str)]); 3] = [
    (
        "viewer",
        &[("Role", "-viewer"), ("ClusterRole", "-documents-viewer")],
    ),
    ("operator", &[("Role", "-operator")]),
    ("editor", &[("ClusterRole", "-mirrors-editor")]),
];

/// The roles, in our names.
pub(super) fn all(run: &str) -> Result<Vec<Value>> {
    let mut roles = kustomize("people")?;
    for role in &mut roles {
        objects::rename(objects::at(role, "/metadata/name")?, run);
        if let Some(namespace) = role.pointer_mut("/metadata/namespace") {
            *namespace = run.into();
        }
    }
    Ok(roles)
}

/// A person with a role: an account, and what binds it, in our namespace alone.
fn person(run: &str, name: &str, roles: &[(&str, &str)]) -> Vec<Value> {
    let mut objects = vec![json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": run},
    })];
    let bindings = roles.iter().map(|(kind, suffix)| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": format!("{name}{suffix}"), "namespace": run},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": kind,
                "name": format!("{run}{suffix}"),
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": run}],
        })
    });
    objects.extend(bindings);
    objects
}

/// A kubeconfig file of somebody, removed when this is dropped.
struct Kubeconfig(PathBuf);

impl Kubeconfig {
    /// That of whoever plays this, with another one's token.
    fn with_token(of: &Path, name: &str, token: &str) -> Result<Self> {
        let text = fs::read_to_string(of).with_context(|| of.display().to_string())?;
        let mut config: Value = serde_saphyr::from_str(&text)?;
        let users = config.get_mut("users").and_then(Value::as_array_mut);
        for user in users.context("a kubeconfig without users")? {
            *objects::at(user, "/user")? = json!({"token": token});
        }
        let file = format!("podmirror-e2e-{}-{name}", std::process::id());
        let path = env::temp_dir().join(file);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        let own = Self(path);
        file?.write_all(config.to_string().as_bytes())?;
        Ok(own)
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

pub(super) async fn play(scene: &mut Scene<'_>, kind: &str) -> Result<()> {
    let (cluster, run) = (scene.cluster, scene.name.to_owned());
    let Some((_, own)) = scene.options.plugin.clone() else {
        return Ok(());
    };
    for role in all(&run)? {
        cluster.create(&role).await?;
    }
    let mut files = Vec::new();
    for (name, roles) in PEOPLE {
        for object in person(&run, name, roles) {
            cluster.create(&object).await?;
        }
        let token = cluster.token(&run, name).await?;
        files.push(Kubeconfig::with_token(&own, name, &token)?);
    }
    let [viewer, operator, editor] = files.as_slice() else {
        return Ok(());
    };
    let viewer = Some(("the viewer", viewer.0.as_path()));
    let operator = Some(("the operator", operator.0.as_path()));
    let editor = Some(("the editor", editor.0.as_path()));
    let half = ["set", "sample-rate", "50%"];
    let all = ["set", "sample-rate", "100%"];
    let mirror = format!("{run}/web");
    let of_mirror = ["--mirror", &mirror];

    says_to(scene, viewer, &["status"], &[0], &["attached", "100 %"]).await?;
    says_to(scene, viewer, &["why"], &[0], &[]).await?;
    says_to(scene, viewer, &["top"], &[0], &["SAMPLE", "100 %"]).await?;
    let explain = ["explain", "--of", &run];
    says_to(scene, viewer, &explain, &[0], &["copies requests"]).await?;
    says_to(scene, viewer, &half, &[1], &["forbids", "pods/exec"]).await?;
    let write = [&half[..], &of_mirror].concat();
    says_to(scene, viewer, &write, &[1], &["trafficmirrors"]).await?;

    says_to(scene, operator, &["stop"], &[0], &["0 % is set on"]).await?;
    says_to(scene, operator, &all, &[0], &["100 % is set on"]).await?;
    says_to(
        scene,
        operator,
        &["diagnose"],
        &[0],
        &["has all that it takes"],
    )
    .await?;
    says_to(scene, operator, &write, &[1], &["trafficmirrors"]).await?;

    // Written, though nobody can be asked whether it is done.
    says_to(scene, editor, &write, &[3], &["50 %"]).await?;
    scene.wait_for_rate(kind, 50).await?;
    let write = [&all[..], &of_mirror].concat();
    says_to(scene, editor, &write, &[3], &["100 %"]).await?;
    scene.wait_for_rate(kind, 100).await?;
    says_to(scene, editor, &["stop"], &[1], &["pods"]).await
}
