//! The observer behind `--print`: keeps a line about each request, and hashes its body while it
//! passes.

use std::collections::HashMap;

use mirror_core::{
    budget::Budget,
    http::RequestHead,
    pipeline::{NotKept, Observer, RequestInfo, RequestKey},
};

use super::line::{RequestLine, Unfinished};

/// Gives a line for each complete request to `print`, in the order in which they complete.
#[derive(Debug)]
pub struct Printer<P> {
    budget: Budget,
    unfinished: HashMap<RequestKey, Box<Unfinished>, foldhash::fast::RandomState>,
    unprinted: u64,
    print: P,
}

impl<P: FnMut(RequestLine)> Printer<P> {
    /// Takes memory for requests under way from `budget`.
    #[must_use]
    pub fn new(budget: Budget, print: P) -> Self {
        Self {
            budget,
            unfinished: HashMap::default(),
            unprinted: 0,
            print,
        }
    }
}

impl<P: FnMut(RequestLine)> Observer for Printer<P> {
    fn head(&mut self, info: &RequestInfo, head: &RequestHead<'_>) {
        if let Some(reserved) = self.budget.reserve(Unfinished::cost(head)) {
            let stream = u64::from(info.flow.attachment);
            let request = Unfinished::new(stream, info, head, reserved);
            self.unfinished.insert(info.request, Box::new(request));
        }
    }

    fn body(&mut self, info: &RequestInfo, raw: &[u8]) {
        if let Some(request) = self.unfinished.get_mut(&info.request) {
            request.body(raw);
        }
    }

    fn end(&mut self, info: &RequestInfo) -> Result<(), NotKept> {
        let Some(request) = self.unfinished.remove(&info.request) else {
            if self.unprinted == 0 {
                log::warn!("no memory was left to describe a request: not all are printed");
            }
            self.unprinted += 1;
            return Err(NotKept::NoRoom);
        };
        (self.print)(request.end());
        Ok(())
    }

    fn lost(&mut self, info: &RequestInfo) {
        self.unfinished.remove(&info.request);
    }
}
