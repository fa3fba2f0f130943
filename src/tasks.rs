//! Tasks with a name, an owner and a join: nothing runs on after the group that started it is gone.
//!
//! The first task that fails cancels the group's token; the others see it at their next await and come to an end.

use std::future::Future;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A set of tasks that fail together and are all joined. Dropping it aborts what still runs.
pub struct TaskGroup<T, E> {
    set: JoinSet<(&'static str, Result<T, E>)>,
    stop: CancellationToken,
}

/// Why a group did not finish.
#[derive(Debug)]
pub enum Ended<E> {
    /// A task returned this error, the first of the group to do so.
    Failed(E),
    /// A task panicked: a defect, with the panic's text.
    Panicked(String),
}

impl<T: Send + 'static, E: Send + 'static> TaskGroup<T, E> {
    /// An empty group below `parent`: cancelling the parent cancels the group, not the other way round.
    pub fn new(parent: &CancellationToken) -> Self {
        Self { set: JoinSet::new(), stop: parent.child_token() }
    }

    /// The token that the group's tasks watch.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. `name` says in logs and panics which one it is.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = Result<T, E>> + Send + 'static) {
        let span = tracing::debug_span!("task", name);
        self.set.spawn(tracing::Instrument::instrument(async move { (name, task.await) }, span));
    }

    /// Waits for every task. On the first error the token is cancelled and the others are waited for; their
    /// results are dropped. Cancel-safe: dropping the future aborts the tasks.
    pub async fn join(mut self) -> Result<Vec<T>, Ended<E>> {
        let mut values = Vec::new();
        let mut ended = None;
        while let Some(joined) = self.set.join_next().await {
            let problem = match joined {
                Ok((_, Ok(value))) => {
                    values.push(value);
                    continue;
                }
                Ok((name, Err(error))) => {
                    tracing::debug!(task = name, "task failed; its group is stopping");
                    Ended::Failed(error)
                }
                Err(join) => Ended::Panicked(join.to_string()),
            };
            self.stop.cancel();
            ended.get_or_insert(problem);
        }
        match ended {
            None => Ok(values),
            Some(problem) => Err(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ended, TaskGroup};
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn first_error_stops_the_others_and_is_the_one_reported() {
        let parent = CancellationToken::new();
        let mut group = TaskGroup::<(), &str>::new(&parent);
        let stop = group.stop();
        group.spawn("waits", async move {
            stop.cancelled().await;
            Err("second")
        });
        group.spawn("fails", async { Err("first") });
        assert!(matches!(group.join().await, Err(Ended::Failed("first"))));
        assert!(!parent.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_group() {
        let mut group = TaskGroup::<(), ()>::new(&CancellationToken::new());
        group.spawn("panics", async { panic!("on purpose") });
        assert!(matches!(group.join().await, Err(Ended::Panicked(text)) if text.contains("panic")));
    }
}
