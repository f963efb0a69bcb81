//! Plays the conversation that its argument names, for callgrind to count instructions:
//! `cargo xtask guard` runs it. Only [`measured`] counts, so set-up does not.

use std::{env, process::ExitCode};

use mirror_bench::{Conversation, Played, pipeline_of, play};
use mirror_core::pipeline::Pipeline;

/// callgrind's switch: it counts from its entry to its return. `cargo xtask guard` knows its name.
#[inline(never)]
fn measured(conversation: &Conversation, pipeline: &mut Pipeline) -> Played {
    play(conversation, pipeline)
}

fn main() -> ExitCode {
    let name = env::args().nth(1).unwrap_or_default();
    let mut all = Conversation::each().into_iter();
    let Some(conversation) = all.find(|conversation| conversation.name == name) else {
        eprintln!("no conversation is called {name:?}");
        return ExitCode::FAILURE;
    };
    let mut pipeline = match pipeline_of(&conversation) {
        Ok(pipeline) => pipeline,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let played = measured(&conversation, &mut pipeline);
    // The number of requests to divide by.
    println!("{}", played.copies);
    ExitCode::SUCCESS
}
