//! nginx with one worker, as v1 and v2 of demo, tests and benchmarks.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use super::{
    Namespace, Process, Scratch, listening::wait_until_accepting, load::grpc_frame, packages,
};

/// What nginx is to be.
#[derive(Clone, Debug, Default)]
pub struct NginxConfig {
    /// The addresses that nginx listens at.
    pub listen: Vec<SocketAddr>,
    /// More addresses, where it speaks HTTP/2 in cleartext, with prior knowledge and nothing else.
    pub listen_http2: Vec<SocketAddr>,
    /// Whether each request becomes a line of the access log; it costs nginx CPU time.
    pub access_log: bool,
    /// The body of every reply; a `location` of `extra` may say otherwise.
    pub reply: String,
    /// More lines for the `server` block.
    pub extra: String,
    /// More blocks beside it, such as `upstream`.
    pub beside: String,
    /// Files in the folder that nginx runs in, which `root .;` names.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

/// Answers every call with one message and a trailer, but for a method that fails. `mirror` reads the body first.
const CALLS: &str = "
    location /shop.Cart/ { mirror /body; error_page 404 405 =200 /answer; }
    location = /answer {
      internal; root .; default_type application/grpc; add_trailer grpc-status 0;
    }
    location = /body { internal; return 204; }";

impl NginxConfig {
    /// A server of gRPC: it answers every method of `shop.Cart`.
    pub fn grpc(address: SocketAddr, access_log: bool) -> Self {
        Self {
            listen_http2: vec![address],
            access_log,
            extra: CALLS.to_owned(),
            files: vec![("answer", grpc_frame(b"hello"))],
            ..Self::default()
        }
    }
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLogEntry {
    /// When the reply was done, in seconds since 1970, to the millisecond.
    pub time: f64,
    /// The reply's status code.
    pub status: u16,
    /// From the first byte of the request to the last of the reply, in seconds.
    pub request_time: f64,
    /// The request line as it stood.
    pub request_line: String,
    /// The field `x-mirrored-by`; `-` when it was not there.
    pub mirrored_by: String,
}

/// A running nginx; it ends when this value is dropped.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    folder: Scratch,
}

impl Nginx {
    /// Starts nginx inside the namespace and waits until it accepts.
    ///
    /// # Errors
    ///
    /// When it is missing and cannot be installed, or does not start: with its own words.
    pub fn start(namespace: &Namespace, config: &NginxConfig) -> Result<Self> {
        let program = packages::require("nginx")?;
        let folder = Scratch::create("nginx")?;
        let file = folder.path().join("nginx.conf");
        fs::write(&file, render(config, folder.path()))?;
        for (name, bytes) in &config.files {
            fs::write(folder.path().join(name), bytes)?;
        }
        let errors = folder.path().join("error.log");
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(&errors)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = namespace.spawn(&mut command)?;
        for address in config.listen.iter().chain(&config.listen_http2) {
            wait_until_accepting(namespace, *address, &mut process).with_context(|| {
                let said = fs::read_to_string(&errors).unwrap_or_default();
                format!("nginx in {}: {}", namespace.name(), said.trim())
            })?;
        }
        Ok(Self { process, folder })
    }

    /// The master's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The worker's process id, whose CPU time is nginx's.
    ///
    /// # Errors
    ///
    /// When nginx has ended.
    pub fn worker_id(&self) -> Result<u32> {
        let master = self.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        let first = children.split_whitespace().next();
        Ok(first.context("nginx has no worker")?.parse()?)
    }

    /// The access log so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read, or a line is not ours.
    pub fn access_log(&self) -> Result<Vec<AccessLogEntry>> {
        let text = match fs::read_to_string(self.access_log_file()) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).context("reading nginx's access log"),
        };
        // The last line may be half written.
        let complete = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
        complete
            .lines()
            .map(|line| parse_entry(line).with_context(|| format!("access log line {line:?}")))
            .collect()
    }

    /// The file of the access log.
    pub fn access_log_file(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }
}

fn render(config: &NginxConfig, folder: &Path) -> String {
    let mut listen = String::new();
    for address in &config.listen {
        // Cannot fail: a String takes everything.
        let _written = writeln!(listen, "    listen {address} backlog=4096;");
    }
    for address in &config.listen_http2 {
        let _written = writeln!(listen, "    listen {address} http2 backlog=4096;");
    }
    let log = if config.access_log {
        "access.log mirror"
    } else {
        "off"
    };
    let folder = folder.display();
    let reply = config
        .reply
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "");
    let (extra, beside) = (&config.extra, &config.beside);
    format!(
        "daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 32768; }}
http {{
  log_format mirror '$msec $status $request_time \"$http_x_mirrored_by\" $request';
  access_log {folder}/{log};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  {beside}
  server {{
{listen}    location / {{ return 200 \"{reply}\"; }}
    {extra}
  }}
}}
"
    )
    .replace(&format!("access_log {folder}/off"), "access_log off")
}

fn parse_entry(line: &str) -> Option<AccessLogEntry> {
    let mut words = line.splitn(5, ' ');
    Some(AccessLogEntry {
        time: words.next()?.parse().ok()?,
        status: words.next()?.parse().ok()?,
        request_time: words.next()?.parse().ok()?,
        mirrored_by: words.next()?.trim_matches('"').to_owned(),
        request_line: words.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_access_log_is_read() {
        let entry =
            parse_entry(r#"1763800000.123 200 0.001 "podmirror" GET /a b HTTP/1.1"#).unwrap();
        assert_eq!(entry.status, 200);
        assert_eq!(entry.mirrored_by, "podmirror");
        assert_eq!(entry.request_line, "GET /a b HTTP/1.1");
        assert_eq!(parse_entry("half a li"), None);
    }
}
