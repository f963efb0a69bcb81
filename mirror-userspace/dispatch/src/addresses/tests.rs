use std::{cell::Cell, time::Duration};

use super::*;

const AVOID: Limits = Limits {
    failures: 1,
    first_wait: Duration::from_secs(1),
    longest_wait: Duration::from_secs(4),
};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn clock() -> Time {
    Time::from_nanos(NOW.get() * 1_000_000_000)
}

fn sockets(numbers: &[u16]) -> Vec<SocketAddr> {
    let socket = |number: &u16| ([10, 0, 0, 1], *number).into();
    numbers.iter().map(socket).collect()
}

fn addresses(numbers: &[u16]) -> Addresses {
    let mut addresses = Addresses::new(AVOID, 42);
    assert!(addresses.replace(&sockets(numbers)).is_empty());
    addresses
}

fn choose(addresses: &mut Addresses) -> Rc<Address> {
    let chosen = addresses.choose(clock).unwrap();
    chosen.begin(clock);
    chosen
}

/// How often each port is chosen if nothing ever ends.
fn chosen(addresses: &mut Addresses, times: usize) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for _ in 0..times {
        *counts.entry(choose(addresses).socket.port()).or_default() += 1;
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
    assert_ne!(first.socket, second.socket);
    for _ in 0..100 {
        first.end();
        assert_eq!(choose(&mut addresses).socket, first.socket);
    }
}

#[test]
fn one_that_fails_is_avoided_and_probed_by_one() {
    let mut addresses = addresses(&[1, 2, 3]);
    let bad = choose(&mut addresses);
    assert_eq!(addresses.handle_failure(&bad, clock()), Tripped::Yes);
    assert_eq!(addresses.handle_failure(&bad, clock()), Tripped::No, "late");
    bad.end();
    let mut counts = HashMap::new();
    for second in 0..30 {
        NOW.set(second);
        for _ in 0..10 {
            let address = choose(&mut addresses);
            *counts.entry(address.socket.port()).or_insert(0) += 1;
            if Rc::ptr_eq(&address, &bad) {
                assert_eq!(addresses.handle_failure(&bad, clock()), Tripped::Yes);
            } else {
                addresses.handle_answer(&address);
            }
            address.end();
        }
    }
    // After 1, 2 and 4 s, and then every 4 s.
    assert_eq!(counts[&bad.socket.port()], 8, "{counts:?}");

    NOW.set(40);
    let probe = choose(&mut addresses);
    assert!(Rc::ptr_eq(&probe, &bad));
    assert!(!Rc::ptr_eq(&choose(&mut addresses), &bad), "one at a time");
    addresses.handle_answer(&bad);
    assert_eq!((addresses.healthy.len(), addresses.avoided.len()), (3, 0));
}

#[test]
fn a_probe_without_a_verdict_is_followed_by_another() {
    let mut addresses = addresses(&[1, 2]);
    let bad = choose(&mut addresses);
    addresses.handle_failure(&bad, clock());
    NOW.set(1);
    for _ in 0..3 {
        assert!(Rc::ptr_eq(&choose(&mut addresses), &bad));
        bad.handle_no_verdict(clock());
    }
}

#[test]
fn if_all_fail_copies_go_to_them_all_the_same() {
    let mut addresses = addresses(&[1, 2]);
    for _ in 0..2 {
        let bad = choose(&mut addresses);
        addresses.handle_failure(&bad, clock());
    }
    assert_eq!((addresses.healthy.len(), addresses.avoided.len()), (0, 2));
    assert!(addresses.choose_healthy().is_none());
    assert_eq!(chosen(&mut addresses, 10), HashMap::from([(1, 5), (2, 5)]));
}

#[test]
fn the_only_one_is_not_avoided() {
    let mut addresses = addresses(&[1]);
    let only = choose(&mut addresses);
    assert_eq!(addresses.handle_failure(&only, clock()), Tripped::No);
    assert_eq!(addresses.healthy.len(), 1);
    assert!(!addresses.is_crowded(&only));
    addresses.replace(&[]);
    assert!(addresses.choose(clock).is_none());
}

#[test]
fn a_new_list_keeps_what_is_known_of_those_that_stay() {
    let mut addresses = addresses(&[1, 2, 2, 3]);
    assert_eq!(addresses.len(), 3, "each once");
    let bad = choose(&mut addresses);
    addresses.handle_failure(&bad, clock());
    let stay = bad.socket.port();
    let gone = addresses.replace(&sockets(&[stay, 9, stay]));
    assert_eq!((gone.len(), addresses.len()), (2, 2));
    assert!(gone.iter().all(|address| address.gone.get()));
    assert!(
        addresses
            .avoided
            .iter()
            .any(|address| Rc::ptr_eq(address, &bad))
    );

    let gone = addresses.replace(&sockets(&[9]));
    assert!(Rc::ptr_eq(&gone[0], &bad));
    assert_eq!(addresses.handle_failure(&bad, clock()), Tripped::No);
    addresses.handle_answer(&bad);
    assert_eq!(addresses.len(), 1, "one that is gone does not come back");
}

#[test]
fn crowded_is_what_would_still_be_busier_with_one_less() {
    let mut addresses = addresses(&[1, 2]);
    let first = choose(&mut addresses);
    assert!(
        !addresses.is_crowded(&first),
        "1 against 0: moving it changes nothing"
    );
    first.begin(clock);
    assert!((0..64).any(|_| addresses.is_crowded(&first)), "2 against 0");
    first.gone.set(true);
    choose(&mut addresses);
    assert!(
        (0..64).all(|_| !addresses.is_crowded(&first)),
        "2 against 1"
    );
}
