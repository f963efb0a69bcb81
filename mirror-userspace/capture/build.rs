//! Hands the kernel half to the library: `cargo xtask build-ebpf` leaves it in
//! `<target dir>/bpf`; without it an empty object is embedded, which the library reports when it
//! is asked for.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let objects = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => PathBuf::from("../../target"),
    }
    .join("bpf");
    // Watching needs something to watch: a missing path would rebuild the library every time.
    fs::create_dir_all(&objects)?;
    for object in ["ring.o", "perf.o", "xdp.o"] {
        let bytes = fs::read(objects.join(object)).unwrap_or_default();
        fs::write(out.join(object), bytes)?;
    }
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-changed={}", objects.display());
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
