//! The connection to the API server.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt as _},
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{BoxError, ServiceBuilder};

/// How long connecting to the API server may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the API server may be silent within a reply. A watch has a bookmark about once a minute;
/// one that is silent for longer is begun again at the last version, which costs one request. Without
/// this, a connection that a middlebox forgot would look like a cluster where nothing happens.
const SILENCE: Duration = Duration::from_secs(120);

/// A connection on which nothing comes is probed by TCP after so long, so often: one whose other end is gone without
/// a word is noticed within 15 s.
const PROBED_AFTER: Duration = Duration::from_secs(5);
const PROBED_EVERY: Duration = Duration::from_secs(3);
const PROBES: u32 = 3;

/// How long what was sent may stay unacknowledged.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// A client configured by this kubeconfig file, or else by the pod's service account. Sends nothing yet.
///
/// # Errors
/// The kubeconfig can't be read or is wrong, or there is neither it nor a service account.
pub async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let config = match kubeconfig {
        Some(path) => from_file(path, &KubeConfigOptions::default())
            .await
            .with_context(|| format!("can't use the kubeconfig {}", path.display()))?,
        None => Config::incluster()
            .context("no service account is mounted here; outside a pod, name a --kubeconfig")?,
    };
    made(config)
}

/// A client configured as kubectl is: by this kubeconfig file, or else by those that `KUBECONFIG` names, or
/// `~/.kube/config`, or a pod's service account; with the context of this name, or the current one. Sends nothing yet,
/// but may run the program that the kubeconfig has for credentials.
///
/// # Errors
/// There is no kubeconfig, or it can't be read or is wrong.
pub async fn connect_as_kubectl(
    kubeconfig: Option<&Path>,
    context: Option<&str>,
) -> anyhow::Result<Client> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = match (kubeconfig, context) {
        (Some(path), _) => from_file(path, &options)
            .await
            .with_context(|| format!("can't use the kubeconfig {}", path.display()))?,
        (None, Some(_)) => Config::from_kubeconfig(&options)
            .await
            .context("can't use the kubeconfig of KUBECONFIG or ~/.kube/config")?,
        (None, None) => Config::infer()
            .await
            .context("no cluster is known: name a --kubeconfig, or set KUBECONFIG")?,
    };
    made(config)
}

fn made(config: Config) -> anyhow::Result<Client> {
    install_crypto();
    let https = config.cluster_url.scheme_str() == Some("https");
    let trusts_the_systems = https && config.root_cert.is_none() && !config.accept_invalid_certs;
    client(bounded(config)).with_context(|| {
        let made = "can't make a client for the API server";
        if trusts_the_systems {
            // The image has no certificates of its own.
            format!("{made}: name its certificate-authority in the kubeconfig")
        } else {
            made.to_owned()
        }
    })
}

async fn from_file(path: &Path, options: &KubeConfigOptions) -> anyhow::Result<Config> {
    let file = Kubeconfig::read_from(path)?;
    Ok(Config::from_custom_kubeconfig(file, options).await?)
}

/// No request waits for ever, and every failure is reported: the watches decide when to try again.
fn bounded(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

/// kube's own client but for what it asks of TCP, which kube leaves as it is.
fn client(config: Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_keepalive(Some(PROBED_AFTER));
    tcp.set_keepalive_interval(Some(PROBED_EVERY));
    tcp.set_keepalive_retries(Some(PROBES));
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let requests = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(requests);
    Ok(Client::new(service, config.default_namespace))
}

/// kube takes the process's default, and rustls has one by itself only while a single provider is
/// compiled in.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails if another thread was faster, and then there is one.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: secret}}]
contexts: [{name: it, context: {cluster: here, user: me, namespace: shop}}]
current-context: it
"#;

    #[tokio::test]
    async fn a_kubeconfig_is_used_as_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, KUBECONFIG).unwrap();
        let client = connect(Some(&path)).await.unwrap();
        assert_eq!(client.default_namespace(), "shop");
        let config = bounded(
            from_file(&path, &KubeConfigOptions::default())
                .await
                .unwrap(),
        );
        assert_eq!(config.cluster_url, "http://127.0.0.1:1/");
        assert_eq!(config.read_timeout, Some(SILENCE));
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let error = connect(Some(Path::new("/nowhere/config")))
            .await
            .err()
            .unwrap();
        let text = format!("{error:#}");
        assert!(
            text.starts_with("can't use the kubeconfig /nowhere/config: "),
            "{text}"
        );
    }
}
