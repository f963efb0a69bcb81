//! More connections, rules, pods and shards, for what a request then costs.
//!
//! Each rule has pipelines of its own, one per shard, as an agent's rules have; a pod is an attachment, whose
//! number is part of a connection's name; and connections are spread over shards as the kernel spreads them.
//! One thread plays all shards, request by request in turn, which is the worst for its caches.

use std::net::SocketAddr;

use mirror_common::{record::flag, sample::shard_hash};
use mirror_core::{
    pipeline::{Limits, Pipeline},
    policy::PolicyError,
    segment::{Endpoint, FlowId, Time},
    stream::Confirm,
};

use crate::{
    conversation::{Client, request},
    play::{Played, hand_in, pipeline_within},
};

/// Nanoseconds between two segments. None is ever due for being idle.
const STEP: u64 = 1_000;

/// The most connections that a scene has.
pub const MOST_CONNECTIONS: usize = 100_000;

/// How much there is of what grows. Nothing of it is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Open connections, at most [`MOST_CONNECTIONS`], dealt out to rules, then to pods.
    pub connections: usize,
    /// Rules that mirror.
    pub rules: usize,
    /// Pods that each rule is attached to.
    pub pods: usize,
    /// Shards of each rule.
    pub shards: usize,
}

/// Clients, and the pipelines that they are mirrored by.
pub struct Scene {
    request: Vec<u8>,
    /// Each with the number of its pipeline.
    clients: Vec<(Client, usize)>,
    pipelines: Vec<Pipeline>,
    segments: u64,
}

impl Scene {
    /// Clients that have not connected yet.
    ///
    /// # Errors
    ///
    /// Never, as long as the defaults do not contradict each other.
    pub fn new(size: Size) -> Result<Self, PolicyError> {
        let pipelines = (0..size.rules * size.shards).map(|_| pipeline_within(limits()));
        let clients = (0..size.connections.min(MOST_CONNECTIONS)).map(|number| {
            let rule = number % size.rules.max(1);
            let pod = number / size.rules.max(1) % size.pods.max(1);
            let flow = flow(number, pod);
            let shard = shard(&flow, size.shards);
            (Client::of(flow), rule * size.shards + shard)
        });
        Ok(Self {
            request: request("GET", 0),
            clients: clients.collect(),
            pipelines: pipelines.collect::<Result<_, _>>()?,
            segments: 0,
        })
    }

    /// Every client connects.
    pub fn connect(&mut self) {
        for (client, pipeline) in &mut self.clients {
            self.segments += 1;
            let at = Time::from_nanos(self.segments * STEP);
            if let Some(pipeline) = self.pipelines.get_mut(*pipeline) {
                hand_in(
                    pipeline,
                    at,
                    &client.say(flag::SYN, &[]),
                    &mut Played::default(),
                );
            }
        }
    }

    /// So many clients ask once each, as far apart as can be; with fewer clients than that, they ask in turn.
    pub fn ask(&mut self, requests: usize) -> Played {
        let mut played = Played::default();
        let clients = self.clients.len();
        for number in 0..requests {
            let at = if clients > requests {
                number * clients / requests
            } else {
                number % clients.max(1)
            };
            let Some((client, pipeline)) = self.clients.get_mut(at) else {
                continue;
            };
            self.segments += 1;
            let now = Time::from_nanos(self.segments * STEP);
            if let Some(pipeline) = self.pipelines.get_mut(*pipeline) {
                let segment = client.say(flag::ACK, &self.request);
                hand_in(pipeline, now, &segment, &mut played);
            }
        }
        played
    }

    /// Connections that the pipelines know.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.pipelines.iter().map(Pipeline::connections).sum()
    }
}

/// Room for all connections in one shard; the default is 65 536 of them.
fn limits() -> Limits {
    let mut limits = Limits {
        memory: 1 << 30,
        ..Limits::default()
    };
    limits.flow.connections = MOST_CONNECTIONS;
    limits.flow.confirm = Confirm::None;
    limits
}

/// A client's connection to a pod; no two are the same.
fn flow(number: usize, pod: usize) -> FlowId {
    let endpoint = |net: u8, host: usize, port: usize| {
        let [.., high, low] = host.to_be_bytes();
        let port = u16::try_from(port).unwrap_or_default();
        Endpoint::from(SocketAddr::from(([10, net, high, low], port)))
    };
    FlowId {
        client: endpoint(1, number / 20_000, 40_000 + number % 20_000),
        server: endpoint(2, pod, 80),
        attachment: u32::try_from(pod).unwrap_or_default(),
    }
}

/// As the kernel chooses it.
fn shard(flow: &FlowId, shards: usize) -> usize {
    let (client, server) = (&flow.client, &flow.server);
    let hash = shard_hash(&client.address, &server.address, client.port, server.port);
    usize::try_from(hash).unwrap_or_default() % shards.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size {
        connections: 300,
        rules: 3,
        pods: 4,
        shards: 2,
    };

    #[test]
    fn every_request_is_mirrored_wherever_its_connection_is() {
        let mut scene = Scene::new(SMALL).unwrap();
        scene.connect();
        assert_eq!(scene.connections(), 300);
        // Some of them, all of them, all of them twice.
        for requests in [100, 300, 600] {
            assert_eq!(scene.ask(requests).copies, requests as u64);
        }
        assert_eq!(scene.connections(), 300);
    }

    #[test]
    fn every_pipeline_has_its_share() {
        let mut scene = Scene::new(SMALL).unwrap();
        scene.connect();
        assert_eq!(scene.pipelines.len(), 6);
        for pipeline in &scene.pipelines {
            assert!((30..=70).contains(&pipeline.connections()));
        }
    }
}
