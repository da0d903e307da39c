//! Dying in the middle: a future that is dropped at a chosen await.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Resolves to what `future` resolves to, or to none once it has waited `awaits` times: then it is dropped
/// where it stands, as a process that is killed.
pub struct Mortal<F> {
    future: Pin<Box<F>>,
    awaits: usize,
}

pub fn mortal<F: Future>(future: F, awaits: usize) -> Mortal<F> {
    Mortal { future: Box::pin(future), awaits }
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.awaits == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.awaits -= 1;
                Poll::Pending
            }
        }
    }
}
