use std::time::Duration;

use super::*;

const AVOID: Limits = Limits {
    failures: 1,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(4),
};

fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

fn sockets(numbers: &[u16]) -> Vec<SocketAddr> {
    let socket = |number: &u16| ([10, 0, 0, 1], *number).into();
    numbers.iter().map(socket).collect()
}

fn addresses(numbers: &[u16]) -> Endpoints {
    let mut addresses = Endpoints::new(AVOID, 42);
    assert!(addresses.replace(&sockets(numbers)).is_empty());
    addresses
}

fn choose_at(addresses: &mut Endpoints, now: Time) -> EndpointId {
    let chosen = addresses.choose(now).unwrap();
    addresses.begin(chosen, now);
    chosen
}

fn choose(addresses: &mut Endpoints) -> EndpointId {
    choose_at(addresses, at(0))
}

fn port(addresses: &Endpoints, id: EndpointId) -> u16 {
    addresses.get(id).unwrap().socket.port()
}

/// How often each port is chosen if nothing ever ends.
fn chosen(addresses: &mut Endpoints, times: usize) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for _ in 0..times {
        let chosen = choose(addresses);
        *counts.entry(port(addresses, chosen)).or_default() += 1;
    }
    counts
}

#[test]
fn what_is_under_way_is_nearly_even() {
    let numbers: Vec<u16> = (1..=100).collect();
    let counts = chosen(&mut addresses(&numbers), 10_000);
    assert_eq!(counts.len(), 100);
    // Drawn one at a time they would spread over 70 to 130.
    assert!(
        counts.values().all(|count| (90..=105).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn among_two_the_less_busy_one_is_chosen_always() {
    let mut addresses = addresses(&[1, 2]);
    let first = choose(&mut addresses);
    let second = choose(&mut addresses);
    assert_ne!(first, second);
    for _ in 0..100 {
        addresses.end(first);
        assert_eq!(choose(&mut addresses), first);
    }
}

#[test]
fn one_that_fails_is_avoided_and_probed_by_one() {
    let mut addresses = addresses(&[1, 2, 3]);
    let bad = choose(&mut addresses);
    assert_eq!(addresses.handle_failure(bad, at(0)), Tripped::Yes);
    assert_eq!(addresses.handle_failure(bad, at(0)), Tripped::No, "late");
    addresses.end(bad);
    let mut counts = HashMap::new();
    for second in 0..30 {
        for _ in 0..10 {
            let address = choose_at(&mut addresses, at(second));
            *counts.entry(address).or_insert(0) += 1;
            if address == bad {
                assert_eq!(addresses.handle_failure(bad, at(second)), Tripped::Yes);
            } else {
                addresses.handle_answer(address, at(0));
            }
            addresses.end(address);
        }
    }
    // After 1, 2 and 4 s, and then every 4 s.
    assert_eq!(counts[&bad], 8, "{counts:?}");

    let probe = choose_at(&mut addresses, at(40));
    assert_eq!(probe, bad);
    assert_ne!(choose_at(&mut addresses, at(40)), bad, "one at a time");
    addresses.handle_answer(bad, at(0));
    assert_eq!((addresses.healthy.len(), addresses.avoided.len()), (3, 0));
}

#[test]
fn a_probe_without_a_verdict_is_followed_by_another() {
    let mut addresses = addresses(&[1, 2]);
    let bad = choose(&mut addresses);
    addresses.handle_failure(bad, at(0));
    for _ in 0..3 {
        assert_eq!(choose_at(&mut addresses, at(1)), bad);
        addresses.handle_no_verdict(bad, at(1));
    }
}

#[test]
fn if_all_fail_copies_go_to_them_all_the_same() {
    let mut addresses = addresses(&[1, 2]);
    for _ in 0..2 {
        let bad = choose(&mut addresses);
        addresses.handle_failure(bad, at(0));
    }
    assert_eq!((addresses.healthy.len(), addresses.avoided.len()), (0, 2));
    assert!(addresses.choose_healthy().is_none());
    assert_eq!(chosen(&mut addresses, 10), HashMap::from([(1, 5), (2, 5)]));
}

#[test]
fn the_only_one_is_not_avoided() {
    let mut addresses = addresses(&[1]);
    let only = choose(&mut addresses);
    assert_eq!(addresses.handle_failure(only, at(0)), Tripped::No);
    assert_eq!(addresses.healthy.len(), 1);
    assert!(!addresses.is_crowded(only));
    addresses.replace(&[]);
    assert!(addresses.choose(at(0)).is_none());
}

#[test]
fn a_new_list_keeps_what_is_known_of_those_that_stay() {
    let mut addresses = addresses(&[1, 2, 2, 3]);
    assert_eq!(addresses.len(), 3, "each once");
    let bad = choose(&mut addresses);
    addresses.handle_failure(bad, at(0));
    let stay = port(&addresses, bad);
    let others: Vec<_> = addresses.iter().map(|(id, _)| id).collect();
    let others = others.into_iter().filter(|id| *id != bad);
    others.clone().for_each(|id| addresses.open(id, 0));
    addresses.replace(&sockets(&[stay, 9, stay]));
    assert_eq!((others.clone().count(), addresses.len()), (2, 2));
    assert!(others.clone().all(|id| addresses.is_gone(id)));
    assert!(addresses.avoided.contains(&bad));

    addresses.open(bad, 0);
    addresses.replace(&sockets(&[9]));
    assert!(addresses.is_gone(bad));
    assert_eq!(addresses.handle_failure(bad, at(0)), Tripped::No);
    addresses.handle_answer(bad, at(0));
    assert_eq!(addresses.len(), 1, "one that is gone does not come back");
    others.for_each(|id| addresses.close(id, 0));
    addresses.close(bad, 0);
    assert_eq!(addresses.all.len(), 1, "nothing is kept of those");
}

#[test]
fn crowded_is_what_would_still_be_busier_with_one_less() {
    let mut addresses = addresses(&[1, 2]);
    let first = choose(&mut addresses);
    assert!(
        !addresses.is_crowded(first),
        "1 against 0: moving it changes nothing"
    );
    addresses.begin(first, at(0));
    assert!((0..64).any(|_| addresses.is_crowded(first)), "2 against 0");
    choose(&mut addresses);
    assert!((0..64).all(|_| !addresses.is_crowded(first)), "2 against 1");
}
