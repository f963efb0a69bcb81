//! The kernel modules that a machine needs, with those that they need, in the order of loading.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};
use lab::packages::require;

use crate::step::command;

/// What the machines try. One that a kernel has built in, or lacks, is not there.
const WANTED: &[&str] = &[
    "virtio_mmio",
    "virtio_console",
    "veth",
    "bridge",
    "sch_ingress",
    "cls_bpf",
    "cls_u32",
    "cls_matchall",
    "act_gact",
    "act_mirred",
    "vxlan",
    "geneve",
    "ip_gre",
    "ipip",
    "8021q",
    "macvlan",
    "ipvlan",
    "tun",
    "dummy",
    "bonding",
    "wireguard",
    "netkit",
];

/// A module, as the kernel takes it.
pub(super) struct Module {
    /// Its name.
    pub(super) name: String,
    /// The object, not compressed.
    pub(super) object: Vec<u8>,
}

/// The modules of an unpacked kernel package.
///
/// # Errors
///
/// When one can't be read or decompressed.
pub(super) fn modules(kernel: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    for root in ["lib/modules", "usr/lib/modules"] {
        find(&kernel.join(root), &mut files)?;
    }
    let mut modules = Vec::new();
    for name in WANTED {
        add(name, &files, &mut modules)?;
    }
    Ok(modules)
}

/// A module behind those that it needs, unless it is there already.
fn add(name: &str, files: &BTreeMap<String, PathBuf>, modules: &mut Vec<Module>) -> Result<()> {
    let name = name.replace('-', "_");
    let known = modules.iter().any(|module| module.name == name);
    let Some(path) = files.get(&name).filter(|_| !known) else {
        return Ok(());
    };
    let object = read(path).with_context(|| path.display().to_string())?;
    for needed in needs(&object) {
        add(&needed, files, modules)?;
    }
    modules.push(Module { name, object });
    Ok(())
}

/// Modules by name.
fn find(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, files)?;
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some((name, _)) = name.split_once(".ko") {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let end = path.extension().and_then(|end| end.to_str());
    let program = match end {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(fs::read(path)?),
    };
    let output = command(require(program)?)
        .args(["--decompress", "--stdout"])
        .arg(path)
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{program} refuses it");
    Ok(output.stdout)
}

/// Its `.modinfo` says `depends=a,b`, a string that ends with a zero.
fn needs(object: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let found = object.windows(key.len()).position(|window| window == key);
    let Some(rest) = found.and_then(|at| object.get(at + key.len()..)) else {
        return Vec::new();
    };
    let end = rest.iter().position(|&byte| byte == 0);
    let names = rest.get(..end.unwrap_or(0)).unwrap_or_default();
    let names = String::from_utf8_lossy(names);
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_needs_is_read_from_it() {
        let object = b"\x7fELF\0license=GPL\0depends=stp,llc\0retpoline=Y\0";
        assert_eq!(needs(object), ["stp", "llc"]);
        assert_eq!(needs(b"\0depends=\0"), [""; 0]);
        assert_eq!(needs(b"nothing"), [""; 0]);
    }
}
