//! Whose turn it is: namespaces share what is told, however much one of them has to tell.

use std::collections::BTreeMap;

/// Takes from the namespaces in turn.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The namespace that was the last one to have its turn.
    last: String,
}

impl Turns {
    /// So much of the namespaces' queues, of each about as much. Where the last call ended, this one goes on, so
    /// that not always the same namespaces come first.
    pub(super) fn take<T>(&mut self, queues: BTreeMap<&str, Vec<T>>, most: usize) -> Vec<T> {
        let before = |(namespace, _): &(&str, Vec<T>)| *namespace <= self.last.as_str();
        let (mut late, mut queues): (Vec<_>, Vec<_>) = queues.into_iter().partition(before);
        queues.append(&mut late);
        let mut queues: Vec<_> = queues
            .into_iter()
            .map(|(namespace, queue)| (namespace, queue.into_iter()))
            .collect();
        let mut fair = Vec::new();
        let mut last = None;
        while fair.len() < most && !queues.is_empty() {
            queues.retain_mut(|(namespace, queue)| {
                if fair.len() >= most {
                    return true;
                }
                let next = queue.next();
                if next.is_some() {
                    last = Some(*namespace);
                }
                let more = next.is_some();
                fair.extend(next);
                more
            });
        }
        if let Some(last) = last {
            last.clone_into(&mut self.last);
        }
        fair
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_though_there_is_only_one_at_a_time() {
        let mut turns = Turns::default();
        let queues = || BTreeMap::from([("a", vec!["a"; 50]), ("b", vec!["b"]), ("c", vec!["c"])]);
        let taken: Vec<_> = (0..6).flat_map(|_| turns.take(queues(), 1)).collect();
        assert_eq!(taken, ["a", "b", "c", "a", "b", "c"]);
        assert_eq!(turns.take(queues(), 5), ["a", "b", "c", "a", "a"]);
        assert_eq!(turns.take(queues(), 0), [""; 0]);
        assert_eq!(turns.take(queues(), 1), ["b"]);
    }
}
