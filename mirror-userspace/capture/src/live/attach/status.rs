//! What the kernel says of a link that we hold: whether its interface is still there.

use std::{
    fs::{self, File},
    os::fd::{AsRawFd as _, RawFd},
    path::{Path, PathBuf},
};

use aya::programs::links::FdLink;

/// What `/proc` tells of our files.
const OF_FILES: &str = "/proc/self/fdinfo";

/// The file descriptor that a link will have which is made now, if no other thread opens a file meanwhile.
pub(super) fn next() -> Option<RawFd> {
    Some(File::open("/dev/null").ok()?.as_raw_fd())
}

/// Where `/proc` tells of the link, which is probably `next`. aya hands out neither its file descriptor nor
/// its interface, so it is found by its number: among all files, if it is another one.
pub(super) fn of(link: &FdLink, next: Option<RawFd>) -> Option<PathBuf> {
    let id = link.info().ok()?.id().to_string();
    let is_it = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        field(&text, "link_id") == Some(&id) && field(&text, "ifindex").is_some()
    };
    let next = next.map(|file| Path::new(OF_FILES).join(file.to_string()));
    if let Some(path) = next.filter(|path| is_it(path)) {
        return Some(path);
    }
    let files = fs::read_dir(OF_FILES).ok()?.flatten();
    files.map(|file| file.path()).find(|path| is_it(path))
}

/// Whether the link's interface still exists; yes if it can't be known. The link of one that does not
/// is an empty shell: its interface is number 0.
pub(super) fn is_attached(status: Option<&Path>) -> bool {
    let Some(status) = status else {
        return true;
    };
    let text = fs::read_to_string(status).unwrap_or_default();
    field(&text, "ifindex") != Some("0")
}

/// The value of a line `name:\tvalue`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find_map(|(field, value)| (field == name).then(|| value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "pos:\t0\nlink_type:\ttcx\nlink_id:\t7\nprog_id:\t12\nifindex:\t3\n";
        assert_eq!(field(text, "link_id"), Some("7"));
        assert_eq!(field(text, "ifindex"), Some("3"));
        assert_eq!(field(text, "index"), None);
    }
}
