//! One browser's stream of events, as the body of an answer that has no end.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use crate::admin::patience::Patience;

/// tap --messages--> one browser.
#[derive(Debug)]
pub(in crate::admin) struct Events {
    told: mpsc::Receiver<Bytes>,
    patience: Arc<Patience>,
}

impl Events {
    /// What is told, to a browser for whose connection there is patience as long as it reads.
    pub(super) fn new(told: mpsc::Receiver<Bytes>, patience: Arc<Patience>) -> Self {
        patience.renew();
        Self { told, patience }
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // hyper asks when it has room: what was told before has left for the socket.
        let message = std::task::ready!(self.told.poll_recv(context));
        self.patience.renew();
        Poll::Ready(message.map(|message| Ok(Frame::data(message))))
    }
}
