//! Where a page has its answers from: the mirrors of this process, or whatever else has books of the same form.

use bytes::Bytes;
use mirror_core::value::Rate;

use crate::admin::{
    routes::{Failure, Routes},
    server::Answers,
};

/// What a page shows, and tunes.
pub trait Source: Send + Sync + 'static {
    /// The books as JSON in one line, as `GET /ledger` has them. They may have `agents` as well, of whose books they are
    /// the sum.
    ///
    /// # Errors
    /// They are not to be had now: the reason is shown to browsers.
    fn books(&self) -> impl Future<Output = Result<Bytes, Failure>> + Send;

    /// The last losses, at `/lost` as JSON and at `/lost.pcapng` as a capture file.
    ///
    /// # Errors
    /// Nobody tells, or the query says nothing that is known.
    fn lost(
        &self,
        path: &str,
        query: Option<&str>,
    ) -> impl Future<Output = Result<Bytes, Failure>> + Send;

    /// The last replies that differed, as JSON.
    ///
    /// # Errors
    /// Nobody tells.
    fn differences(&self) -> impl Future<Output = Result<Bytes, Failure>> + Send;

    /// A line for each target: its rate, rule and name, with tabs between.
    ///
    /// # Errors
    /// Nobody tells.
    fn rates(&self) -> impl Future<Output = Result<String, Failure>> + Send;

    /// Changes the rate of a rule, or of all, on behalf of `by`, who may; says what came of it.
    ///
    /// # Errors
    /// It stays as it was, at least in a part: what came of it, for people.
    fn set_rate(
        &self,
        by: &str,
        rule: Option<&str>,
        rate: Rate,
    ) -> impl Future<Output = Result<String, Failure>> + Send;

    /// A browser's connection had to give way to a newer one.
    fn count_evicted(&self) {}

    /// A browser's connection was too slow.
    fn count_timed_out(&self) {}
}

impl Source for Routes {
    async fn books(&self) -> Result<Bytes, Failure> {
        self.books().await
    }

    async fn lost(&self, path: &str, query: Option<&str>) -> Result<Bytes, Failure> {
        self.find_lost(path, query).await
    }

    async fn differences(&self) -> Result<Bytes, Failure> {
        self.find_differences().await
    }

    async fn rates(&self) -> Result<String, Failure> {
        self.rates().await
    }

    async fn set_rate(&self, by: &str, rule: Option<&str>, rate: Rate) -> Result<String, Failure> {
        self.change_rate(by, rule, rate).await
    }

    fn count_evicted(&self) {
        Answers::count_evicted(self);
    }

    fn count_timed_out(&self) {
        Answers::count_timed_out(self);
    }
}
