//! The unix socket: who may make it, and who may open it.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    os::unix::net::UnixListener,
    path::Path,
};

use tokio::net::UnixStream;

use super::*;
use crate::admin::{client, listen_at};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

async fn open(path: &Path) -> anyhow::Result<Admin> {
    let (mut admin, questions) = Admin::start(AdminConfig::default()).await?;
    admin.open_socket(path)?;
    tokio::spawn(Owner::new().run(questions));
    Ok(admin)
}

async fn refusal(path: &Path) -> String {
    let error = format!("{:#}", open(path).await.unwrap_err());
    let flag = format!("--admin-socket {}: ", path.display());
    assert!(error.starts_with(&flag), "{error}");
    error
}

#[tokio::test]
async fn by_the_socket_one_tunes_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/here/admin.sock");
    let admin = open(&path).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);

    let there = client::Server::Socket(path.clone());
    let set = client::set_sample_rate(&there, None, "25%".parse().unwrap());
    assert!(set.await.unwrap().starts_with("25 %\tflags\t"));
    let ask = async |request: &[u8]| {
        let stream = UnixStream::connect(&path).await.unwrap();
        exchange_on(stream, request).await.unwrap()
    };
    let look = b"GET /sample-rate HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(ask(look).await.body.starts_with("25 %\t"));
    // What a browser or a mirror has sent is refused here as well.
    for line in ["Origin: http://evil.example", "x-mirrored-by: podmirror"] {
        let request = put_with(&format!("{line}\r\n"), "0");
        assert_eq!(ask(&request).await.status, 403, "{line}");
    }
    assert!(ask(look).await.body.starts_with("25 %\t"));
    drop(admin);
    assert!(!path.exists(), "it goes with its server");
}

#[tokio::test]
async fn a_socket_that_nobody_listens_at_is_replaced_and_one_that_lives_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    // As a process that was killed leaves it.
    drop(UnixListener::bind(&path).unwrap());
    let first = open(&path).await.unwrap();
    let error = refusal(&path).await;
    assert!(error.contains("another podmirror listens there"), "{error}");
    let there = client::Server::Socket(path.clone());
    let set = client::set_sample_rate(&there, None, "1%".parse().unwrap());
    assert!(set.await.is_ok(), "the first one goes on");
    // Whoever has replaced it by force keeps it.
    fs::remove_file(&path).unwrap();
    let second = open(&path).await.unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_not_our_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target");
    fs::write(&target, "precious").unwrap();
    let link = folder.path().join("link.sock");
    symlink(&target, &link).unwrap();
    let dangling = folder.path().join("dangling.sock");
    symlink("/no/such/place", &dangling).unwrap();
    let of_socket = folder.path().join("of-socket.sock");
    drop(UnixListener::bind(folder.path().join("other")).unwrap());
    symlink(folder.path().join("other"), &of_socket).unwrap();
    for path in [&target, &link, &dangling, &of_socket] {
        let error = refusal(path).await;
        assert!(error.contains("no socket of ours"), "{error}");
        assert!(fs::symlink_metadata(path).is_ok());
    }
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    let error = refusal(&shared.join("admin.sock")).await;
    assert!(error.contains("others may write"), "{error}");
    let link = folder.path().join("link");
    symlink(folder.path(), &link).unwrap();
    let error = refusal(&link.join("admin.sock")).await;
    assert!(error.contains("is no folder"), "{error}");
    if nix::unistd::geteuid().is_root() {
        let foreign = folder.path().join("foreign");
        fs::create_dir(&foreign).unwrap();
        std::os::unix::fs::chown(&foreign, Some(65_534), None).unwrap();
        let error = refusal(&foreign.join("admin.sock")).await;
        assert!(error.contains("belongs to another user"), "{error}");
    } else {
        eprintln!("SKIPPED: a folder of another user takes root");
    }
}

#[test]
fn of_those_who_would_replace_a_dead_socket_at_once_one_does() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..200 {
        let path = folder.path().join(format!("{round}.sock"));
        // What a killed process leaves.
        drop(UnixListener::bind(&path).unwrap());
        let barrier = std::sync::Barrier::new(4);
        let listening = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        listen_at(&path)
                    })
                })
                .collect();
            let tries = tries.into_iter().map(|it| it.join().unwrap());
            tries.filter_map(Result::ok).collect::<Vec<_>>()
        });
        assert_eq!(listening.len(), 1, "round {round}");
    }
}
