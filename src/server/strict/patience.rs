//! How long a connection waits for its client. One lazy timer serves all deadlines of a connection:
//! it is moved only when it is due or too late, so that a busy connection never touches it.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Awaited;
use super::limits::Timeouts;

/// The waiting of one connection.
#[derive(Debug)]
pub(super) struct Patience {
    timeouts: Timeouts,
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when nothing was read, and for what.
    reading: Option<(Awaited, Instant)>,
    /// Since when a head is incomplete.
    head: Option<Instant>,
    /// Since when nothing could be written.
    writing: Option<Instant>,
    messages: u64,
    /// The time spent waiting for the body at hand, and its bytes.
    waited: Duration,
    received: u64,
}

impl Patience {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            timer: None,
            reading: None,
            head: None,
            writing: None,
            messages: 0,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// Bytes came in.
    pub(super) fn read(&mut self, bytes: usize) {
        if let Some((Awaited::Body, since)) = self.reading.take() {
            self.waited += since.elapsed();
        }
        self.received = self
            .received
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// So many heads came through on the connection; with each one a body begins.
    pub(super) fn passed(&mut self, messages: u64) {
        if self.messages != messages {
            self.messages = messages;
            self.head = None;
            self.waited = Duration::ZERO;
            self.received = 0;
        }
    }

    /// Nothing can be read now; tells whether the wait has been too long.
    pub(super) fn wait(&mut self, awaited: Awaited, busy: bool, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let since = match self.reading {
            Some((same, since)) if same == awaited => since,
            _ => now,
        };
        let deadline = match awaited {
            // Silence while an answer is under way is not idleness; look again in a while.
            Awaited::Request if busy => {
                self.reading = None;
                let _expired = self.is_due(now + self.timeouts.idle / 4, cx);
                return false;
            }
            Awaited::Request if self.messages == 0 => since + self.timeouts.head,
            Awaited::Request => since + self.timeouts.idle,
            Awaited::Head => *self.head.get_or_insert(now) + self.timeouts.head,
            Awaited::Body => since + self.body_credit(),
        };
        self.reading = Some((awaited, since));
        self.is_due(deadline, cx)
    }

    /// The time that the client still has to send more of its body.
    fn body_credit(&self) -> Duration {
        let earned = self.received / u64::from(self.timeouts.body_rate.max(1));
        let credit = self
            .timeouts
            .body
            .saturating_add(Duration::from_secs(earned));
        credit.saturating_sub(self.waited).min(self.timeouts.body)
    }

    /// The client took bytes of an answer.
    pub(super) fn wrote(&mut self) {
        self.writing = None;
    }

    /// Nothing can be written now; tells whether the wait has been too long.
    pub(super) fn wait_to_write(&mut self, cx: &mut Context<'_>) -> bool {
        let since = *self.writing.get_or_insert_with(Instant::now);
        self.is_due(since + self.timeouts.write, cx)
    }

    /// The client is given time to read the last answer; tells whether it is over.
    pub(super) fn linger(&mut self, since: Instant, cx: &mut Context<'_>) -> bool {
        self.is_due(since + self.timeouts.linger, cx)
    }

    /// Whether a deadline has passed; the task is woken when it does.
    fn is_due(&mut self, deadline: Instant, cx: &mut Context<'_>) -> bool {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
    }
}
