//! What is asked of a server beside a session's stream is not waited for when that is over: the server may never answer.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Longer than a look takes at a server that answers.
const GRACE: Duration = Duration::from_secs(5);

/// What comes of the work; `None` where it was not done soon after `over`. Then it stands as if this process had been killed in it.
pub(super) async fn until<T>(over: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let past = async {
        over.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = past => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio_util::sync::CancellationToken;

    use super::until;

    #[tokio::test]
    async fn what_is_never_answered_ends_with_the_session_and_all_else_is_done() {
        let over = CancellationToken::new();
        assert_eq!(until(&over, ready(1)).await, Some(1));
        over.cancel();
        assert_eq!(until(&over, ready(2)).await, Some(2));
        assert_eq!(until(&over, pending::<()>()).await, None);
    }
}
