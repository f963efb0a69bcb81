//! Servers that others wrote: nginx and nghttpd, where they are installed.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use tokio::net::TcpStream;

use super::*;

/// A program that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Starts a program; `None` if it is not installed, which is said.
async fn start(command: &mut Command, address: SocketAddr) -> Option<Program> {
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = spawned else {
        println!("SKIPPED: {command:?} is not installed");
        return None;
    };
    let program = Program(child);
    while TcpStream::connect(address).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
    Some(program)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Sends it small requests, large ones and streams of several client connections.
async fn exercise(address: SocketAddr) -> TargetCounters {
    let mut rig = Rig::new(DispatchConfig::default(), address);
    let body = vec![b'x'; 1_000_000];
    let post = request("POST", "/");
    let mut streams = Vec::new();
    for n in 0..300 {
        match n % 10 {
            0 if n < 100 => {
                rig.stream(n % 7, &post, &[&body[..], &body], None, Rest::Complete);
            }
            5 => streams.push(rig.stream(n % 7, &post, &[b"abc"], None, Rest::Streamed)),
            _ => {
                rig.get(n % 7, "/");
            }
        }
    }
    let trailers = block(&[("x-end", "1")]);
    for (place, copy) in streams.into_iter().enumerate() {
        rig.chunk(copy, &body[..100_000]);
        match place % 3 {
            0 => rig.finish_with(copy, &trailers),
            1 => rig.finish(copy),
            _ => rig.abort(copy),
        }
    }
    rig.settle().await
}

#[test]
fn nghttpd_takes_everything() {
    run(async {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.html"), "hello").unwrap();
        let mut command = Command::new("nghttpd");
        command
            .args(["--no-tls", "--echo-upload", "--address=127.0.0.1"])
            .arg(format!("--htdocs={}", folder.path().display()))
            .arg(address.port().to_string());
        let Some(_program) = start(&mut command, address).await else {
            return;
        };
        let counters = exercise(address).await;
        assert_eq!(counters.failed.total(), counters.failed.aborted);
        // Those that break off may have been answered before.
        assert!(counters.answered.success >= 290, "{counters:?}");
        assert_eq!(counters.replies_broken, 0);
    });
}

/// `limits`: how many streams at once, and requests before it closes a connection.
fn configure_nginx(folder: &Path, address: SocketAddr, limits: (u32, u32)) {
    let (streams, requests) = limits;
    let at = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{ }}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;\n\
         fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
         client_max_body_size 0; http2_max_concurrent_streams {streams}; keepalive_requests {requests};\n\
         server {{ listen {address} http2; location / {{ return 204; }} }} }}\n"
    );
    fs::write(folder.join("nginx.conf"), config).unwrap();
}

async fn start_nginx(folder: &Path, address: SocketAddr, limits: (u32, u32)) -> Option<Program> {
    configure_nginx(folder, address, limits);
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder);
    command.arg("-c").arg(folder.join("nginx.conf"));
    start(&mut command, address).await
}

/// It allows few streams, and goes away after 100 requests of a connection.
#[test]
fn nginx_takes_everything() {
    run(async {
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let Some(_program) = start_nginx(folder.path(), address, (8, 100)).await else {
            return;
        };
        let counters = exercise(address).await;
        let (failed, answered) = (counters.failed, counters.answered.success);
        assert_eq!(failed.total(), failed.aborted, "{counters:?}");
        assert!(answered >= 290, "{counters:?}");
        assert!(counters.opened >= 3, "{counters:?}");
    });
}

/// It refuses most of what is under way each time that it goes away.
#[test]
fn nginx_that_goes_away_again_and_again_loses_nothing() {
    run(async {
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let Some(_program) = start_nginx(folder.path(), address, (128, 50)).await else {
            return;
        };
        let mut rig = Rig::new(DispatchConfig::default(), address);
        for n in 0..3_000 {
            rig.stream(n % 16, &grpc("/"), &[b"message"], None, Rest::Complete);
            if n % 160 == 159 {
                rig.until(|c| c.in_flight + c.queued < 100).await;
            }
        }
        let counters = rig.settle().await;
        assert_eq!(
            (counters.answered.success, counters.failed.total()),
            (3_000, 0)
        );
        println!(
            "opened {}, sent again {}",
            counters.opened, counters.sent_again
        );
    });
}
