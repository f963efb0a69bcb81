//! gRPC as Rust speaks it: a client and a server on tonic, the counterparts of the lab's on grpcio.
//!
//! ```text
//! tonic-peer serve ADDRESS FILE MAX_CONNECTION_AGE_MS    a line of JSON in FILE for each call
//! tonic-peer call TARGET SCENE COUNT                     prints how many calls were made, and went well
//! ```

mod client;
mod codec;
mod server;

use anyhow::{Context as _, Result, bail};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        ["serve", address, file, age] => {
            let address = address.parse().context("ADDRESS")?;
            server::run(address, file, age.parse().context("an age")?).await
        }
        ["call", target, scene, count] => {
            let count = count.parse().context("COUNT")?;
            let well = client::play(target, scene, count).await?;
            println!("{}", serde_json::json!({"made": count, "well": well}));
            Ok(())
        }
        _ => bail!("serve ADDRESS FILE MAX_CONNECTION_AGE_MS, or call TARGET SCENE COUNT"),
    }
}
