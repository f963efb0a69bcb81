//! Random streams against an obviously right model: a list of segments, searched from end to end,
//! and bytes that are looked at one by one. Sequence numbers do not wrap in the model.

use std::collections::HashMap;

use super::*;
use crate::random::Random;

impl Random {
    /// Often close to a wrap.
    pub(super) fn first(&mut self) -> SeqNum {
        let random = SeqNum(u32::try_from(self.bits() >> 32).unwrap());
        if self.one_in(2) {
            SeqNum(0) - (random.0 % 300)
        } else {
            random
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Byte(u8),
    Gap(u64),
    Closed(Close),
}

/// What Linux would do, a byte at a time.
#[derive(Default)]
struct Model {
    next: i64,
    urgent: Option<i64>,
    queue: Vec<Sent>,
    finished: bool,
    told: Vec<Item>,
}

fn end(sent: &Sent) -> i64 {
    sent.offset + sent.bytes.len() as i64 + i64::from(sent.flags & flag::FIN != 0)
}

impl Model {
    fn receive(&mut self, sent: &Sent) {
        if self.finished {
            return;
        }
        if let Some(pointer) = sent.urgent.filter(|_| end(sent) >= self.next) {
            let urgent = sent.offset + i64::from(pointer) - 1;
            if urgent >= self.next && self.urgent.is_none_or(|noted| noted < urgent) {
                self.urgent = Some(urgent);
            }
        }
        if sent.offset <= self.next {
            self.read(sent);
            self.read_queue();
            return;
        }
        let within =
            |inner: &Sent, outer: &Sent| inner.offset >= outer.offset && end(inner) <= end(outer);
        if !self.queue.iter().any(|queued| within(sent, queued)) {
            self.queue.retain(|queued| !within(queued, sent));
            self.queue.push(sent.clone());
            self.queue.sort_by_key(|queued| queued.offset);
        }
    }

    fn read(&mut self, sent: &Sent) {
        for (offset, byte) in (sent.offset..).zip(&sent.bytes) {
            if offset == self.next && !self.finished {
                self.next += 1;
                if self.urgent == Some(offset) {
                    self.urgent = None;
                } else {
                    self.told.push(Item::Byte(*byte));
                }
            }
        }
        let fin = sent.flags & flag::FIN != 0;
        if fin && self.next == sent.offset + sent.bytes.len() as i64 && !self.finished {
            self.finish(Close::Fin);
        }
    }

    fn read_queue(&mut self) {
        while self
            .queue
            .first()
            .is_some_and(|first| first.offset <= self.next)
        {
            let first = self.queue.remove(0);
            self.read(&first);
        }
    }

    fn give_up_all(&mut self) {
        while let Some(first) = self.queue.first() {
            let mut gap = 0;
            while self.next < first.offset {
                if self.urgent == Some(self.next) {
                    self.urgent = None;
                } else {
                    gap += 1;
                }
                self.next += 1;
            }
            self.told.extend((gap > 0).then_some(Item::Gap(gap)));
            self.read_queue();
        }
    }

    fn finish(&mut self, why: Close) {
        if !self.finished {
            self.finished = true;
            self.queue.clear();
            self.told.push(Item::Closed(why));
        }
    }
}

/// One connection's sender, and the model of its receiver.
struct Client {
    first: SeqNum,
    model: Model,
    rest: Vec<Sent>,
}

impl Client {
    /// Cuts a stream into segments, loses, repeats, overlaps and reorders them.
    fn new(random: &mut Random, differing: bool) -> Self {
        let source: Vec<u8> = (0..=u8::MAX).take(1 + random.below(250)).collect();
        let mut rest = Vec::new();
        let mut offset = 0;
        while offset < source.len() {
            let len = (1 + random.below(40)).min(source.len() - offset);
            let mut segment = data(offset as i64, &source[offset..offset + len]);
            offset += len;
            if offset == source.len() && random.one_in(2) {
                segment = segment.and(flag::FIN);
            }
            if differing && random.one_in(12) {
                segment = segment.urgent(1 + u16::try_from(random.below(len + 3)).unwrap());
            }
            if !random.one_in(12) {
                rest.push(segment);
            }
            if random.one_in(3) {
                let from = random.below(source.len());
                let to = (from + 1 + random.below(60)).min(source.len());
                let mut bytes = source[from..to].to_vec();
                if differing {
                    bytes.fill_with(|| u8::try_from(random.below(256)).unwrap());
                }
                rest.push(data(from as i64, bytes));
            }
        }
        let reach = 1 + random.below(8);
        for index in 0..rest.len() {
            let other = (index + random.below(reach)).min(rest.len() - 1);
            rest.swap(index, other);
        }
        rest.reverse();
        Self {
            first: random.first(),
            model: Model::default(),
            rest,
        }
    }
}

/// Bytes, gaps and closes of one connection, in order.
fn items(log: &[(FlowId, Told)], of: FlowId) -> Vec<Item> {
    let of_flow = log.iter().filter(|(flow, _)| *flow == of);
    of_flow
        .flat_map(|(_, told)| match told {
            Told::Opened { .. } => vec![],
            Told::Data { bytes, .. } => bytes.iter().copied().map(Item::Byte).collect(),
            Told::Gap(len) => vec![Item::Gap(*len)],
            Told::Closed(why) => vec![Item::Closed(*why)],
        })
        .collect()
}

#[test]
fn with_room_enough_the_stream_is_what_linux_reads() {
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let mut bench = Bench::new(Limits::default(), 1 << 20);
        let mut told: HashMap<FlowId, Vec<Item>> = HashMap::new();
        let mut clients: Vec<(FlowId, Option<Client>)> = (0..1 + u32::try_from(random.below(3))
            .unwrap())
            .map(|n| (flow(n), None))
            .collect();
        for _ in 0..150 {
            let which = random.below(clients.len());
            let (flow, client) = &mut clients[which];
            if random.one_in(40) {
                bench.wait(Duration::from_millis(1_000 + random.bits() % 500));
                let open = clients.iter_mut().filter_map(|(_, client)| client.as_mut());
                open.for_each(|client| client.model.give_up_all());
                continue;
            }
            match client {
                Some(client) if !client.rest.is_empty() && !random.one_in(60) => {
                    let segment = client.rest.pop().unwrap();
                    bench.send(*flow, client.first, &segment);
                    client.model.receive(&segment);
                }
                _ => {
                    // The connection is over: by a reset, or because its 4-tuple is used again.
                    let mut new = Client::new(&mut random, seed % 2 == 0);
                    if let Some(mut old) = client.take() {
                        if old.first == new.first {
                            new.first = new.first + 1;
                        }
                        if random.one_in(2) {
                            bench.send(*flow, old.first, &rst(old.model.next));
                            old.model.give_up_all();
                            old.model.finish(Close::Reset);
                        }
                        old.model.give_up_all();
                        old.model.finish(Close::Reused);
                        told.entry(*flow).or_default().append(&mut old.model.told);
                    }
                    bench.send(*flow, new.first, &syn());
                    // A SYN takes the 4-tuple only when data follows it.
                    let begins = data(0, [0]);
                    bench.send(*flow, new.first, &begins);
                    new.model.receive(&begins);
                    *client = Some(new);
                }
            }
        }
        bench.shutdown();
        for (flow, client) in clients {
            let mut expected = told.remove(&flow).unwrap_or_default();
            if let Some(mut client) = client {
                client.model.give_up_all();
                client.model.finish(Close::Shutdown);
                expected.append(&mut client.model.told);
            }
            let told = items(&bench.log, flow);
            let same = told
                .iter()
                .zip(&expected)
                .take_while(|(told, expected)| told == expected);
            let differ = same.count();
            let (told, expected) = (told.get(differ..), expected.get(differ..));
            assert_eq!(told, expected, "seed {seed}, {flow:?}, from item {differ}");
        }
    }
}

/// With equal bytes, every byte is its own offset: so it can be checked without any model that
/// nothing stands in the wrong place and nothing is delivered twice, whatever was evicted.
#[test]
fn in_need_everything_delivered_is_in_its_place() {
    for seed in 0..1_500 {
        let mut random = Random::new(seed);
        let limits = Limits {
            connections: 1 + random.below(4),
            queued_bytes: random.below(3_000),
            ..Limits::default()
        };
        let starved = random.one_in(2);
        let memory = if starved { 12_000 } else { 40_000 } + random.below(6_000);
        let mut bench = Bench::new(limits, memory);
        let mut clients: Vec<_> = (0..5).map(|_| Client::new(&mut random, false)).collect();
        for _ in 0..100 {
            let number = random.below(clients.len());
            let client = &mut clients[number];
            if let Some(segment) = client.rest.pop() {
                bench.send(flow(u32::try_from(number).unwrap()), client.first, &segment);
            }
            if random.one_in(30) {
                bench.wait(Duration::from_millis(random.bits() % 1_500));
            }
        }
        bench.shutdown();
        let counters = &bench.table.counters;
        let gaps = bench
            .log
            .iter()
            .map(|(_, told)| if let Told::Gap(len) = told { *len } else { 0 });
        assert_eq!(gaps.sum::<u64>(), counters.lost.missing(), "seed {seed}");
        for number in 0..5 {
            let mut expected = None;
            let mut opened = false;
            for (_, told) in bench.log.iter().filter(|(of, _)| *of == flow(number)) {
                match told {
                    // What ended for want of memory may be forgotten altogether, if starved.
                    Told::Opened { .. } => {
                        (opened, expected) = (true, expected.filter(|_| !starved))
                    }
                    Told::Gap(len) => expected = expected.map(|at: u64| at + len),
                    Told::Closed(_) => opened = false,
                    Told::Data { bytes, .. } => {
                        let start = u64::from(bytes[0]);
                        let in_place =
                            expected.is_none_or(|at| at == start || opened && at < start);
                        assert!(in_place, "seed {seed}: {start} instead of {expected:?}");
                        assert!(
                            bytes.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                            "seed {seed}"
                        );
                        expected = Some(start + bytes.len() as u64);
                        opened = false;
                    }
                }
            }
        }
    }
}

#[test]
fn every_first_sequence_number_around_the_wrap_gives_the_same() {
    for seed in 0..40 {
        let run = |first: SeqNum| {
            let mut random = Random::new(seed);
            let mut client = Client::new(&mut random, true);
            let mut bench = Bench::new(Limits::default(), 1 << 20);
            bench.send(flow(0), first, &syn());
            while let Some(segment) = client.rest.pop() {
                bench.send(flow(0), first, &segment);
            }
            bench.shutdown();
            bench.log
        };
        let expected = run(SeqNum(1 << 20));
        for back in 0..=300 {
            assert_eq!(run(SeqNum(20) - back), expected, "seed {seed}, {back} back");
        }
    }
}
