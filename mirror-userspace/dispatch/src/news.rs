//! What is said in the log only now and then, however often it happens.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mirror_core::segment::Time;

/// Things that are remembered as said, at most: whoever writes thousands of documents does not fill the log.
const SAID: usize = 256;

/// What was said, and until when it is not said again.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<HashMap<String, Time>>);

impl News {
    /// Whether `what` was not said yet, or `every` so long ago; from now on it was.
    pub(super) fn is_news(&self, what: String, every: Duration, now: Time) -> bool {
        let mut said = lock(&self.0);
        if said.get(&what).is_some_and(|&until| now < until) {
            return false;
        }
        if said.len() >= SAID {
            said.retain(|_, &mut until| now < until);
        }
        if said.len() >= SAID {
            return false;
        }
        said.insert(what, now + every);
        true
    }
}

/// A panic leaves what is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_news_once_in_a_while_for_each_thing_and_for_so_many() {
        let news = News::default();
        let is_news = |what: usize, seconds: u64| {
            let now = Time::from_nanos(seconds * 1_000_000_000);
            news.is_news(what.to_string(), Duration::from_secs(60), now)
        };
        assert!(is_news(0, 0) && !is_news(0, 59) && is_news(0, 60) && !is_news(0, 61));
        for what in 1..SAID {
            assert!(is_news(what, 61));
        }
        assert!(!is_news(SAID, 61), "that would be one too many");
        assert!(is_news(SAID, 121), "those before are forgotten");
        assert!(lock(&news.0).len() < SAID);
    }

    /// Who is to be quiet for long stays so when it gets crowded, whoever makes it so.
    #[test]
    fn room_is_made_by_how_long_each_thing_is_quiet() {
        let (news, minute) = (News::default(), Duration::from_secs(60));
        let at = |seconds: u64| Time::from_nanos(seconds * 1_000_000_000);
        assert!(news.is_news("rare".to_owned(), 60 * minute, at(0)));
        for what in 1..SAID {
            assert!(news.is_news(what.to_string(), minute, at(0)));
        }
        assert!(news.is_news("one more".to_owned(), minute, at(61)));
        assert!(!news.is_news("rare".to_owned(), 60 * minute, at(62)));
        assert_eq!(lock(&news.0).len(), 2);
    }
}
