//! Writes the seeds of all targets to `DIR/TARGET/`: the corpora that fuzzing starts from.

use std::{env, fs, io, path::PathBuf};

use podmirror_fuzz::{TARGETS, seeds};

fn main() -> io::Result<()> {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: seeds DIR"));
    };
    for (target, _) in TARGETS {
        let dir = dir.join(target);
        fs::create_dir_all(&dir)?;
        for (number, seed) in seeds::of(target).iter().enumerate() {
            fs::write(dir.join(format!("seed-{number}")), seed)?;
        }
        for (number, story) in recorded(target).iter().enumerate() {
            fs::write(dir.join(format!("story-{number}")), story)?;
        }
    }
    Ok(())
}

/// Seeds that others recorded: those of the corpus that `PODMIRROR_CORPUS` names.
fn recorded(target: &str) -> Vec<Vec<u8>> {
    match target {
        "h2" => seeds::stories(),
        _ => Vec::new(),
    }
}
