//! Choices for the simulations of the dispatcher's pool.

use mirror_core::random::Random;

/// Settings, then numbers of any kind.
pub(super) fn of_http2() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut seeds = vec![vec![0; 6]];
    seeds.extend([200, 800, 3_000].map(|len| numbers(&mut random, len)));
    seeds
}

/// Any numbers will do, if they are always the same.
fn numbers(random: &mut Random, len: usize) -> Vec<u8> {
    let byte = |_| u8::try_from(random.below(256)).unwrap_or(u8::MAX);
    (0..len).map(byte).collect()
}

pub(super) fn of_http1() -> Vec<Vec<u8>> {
    // Pipelining, one target with a list of endpoints that it is told.
    let settings = [3, 0, 3, 0, 0, 1, 9, 0, 1];
    // Endpoints, copies, connections, tasks that run, replies, time.
    let round = [
        &[16, 0, 7][..],
        &[0, 0, 1, 2, 0, 1, 1, 6, 1, 2, 2, 0, 3],
        &[9, 0, 0, 10, 0, 0],
        &[7, 3, 4, 0, 1, 5, 0, 5],
        &[11, 0, 0, 12, 0, 3, 8, 13, 1, 5],
        &[6, 4, 15, 0, 4, 14, 0],
    ]
    .concat();
    let mut seeds = vec![settings.to_vec(), [&settings[..], &round].concat()];
    let mut random = Random::new(1);
    seeds.extend([100, 200, 400, 800].map(|len| numbers(&mut random, len)));
    seeds
}
