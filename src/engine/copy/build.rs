//! What a worker does on the destination alone: indexes, constraints and statistics, those of small tables many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::run::{Dial, Shared, Task};
use super::schedule::Work;
use super::worker::{Worker, interruptible};
use super::{Error, Result, is_in_ledger};
use crate::failure::{Classify, Next};
use crate::pg::Sql;
use crate::progress::Update;
use crate::schema::script::{Phase, Step};
use crate::sql;

impl<D: Dial> Worker<D> {
    /// One step, or several in one transaction. Where that fails, for whatever reason, each is done by itself: it is
    /// met again by name, or tolerated, or tried again on a new connection; and what the ledger has is not repeated.
    pub(super) async fn steps(&mut self, task: &Task) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let steps: Vec<(usize, &Step)> = task.all().filter_map(|work| shared.step(work)).collect();
        for (_, step) in &steps {
            if let Some(index) = &step.builds {
                shared.reporter.report(Update::IndexStarted { index: index.clone() });
            }
        }
        let [(_, first), _, ..] = steps.as_slice() else {
            for (at, step) in steps {
                let began = Instant::now();
                self.step(at, step, task.idle).await?;
                tell(&shared, step, began.elapsed());
            }
            return Ok(());
        };
        shared.reporter.operation(format!("creating {} and others", first.label));
        let began = Instant::now();
        let done = match self.build(&steps, 0).await {
            Ok(()) => true,
            Err(error) if matches!(error, Error::Stopped) || error.classify().next == Next::Retry => {
                self.again(1, &first.label, error).await?;
                false
            }
            Err(_) => false,
        };
        let each = share(began, steps.len());
        for (at, step) in steps {
            let began = Instant::now();
            if !done {
                self.step(at, step, task.idle).await?;
            }
            tell(&shared, step, if done { each } else { began.elapsed() });
        }
        Ok(())
    }

    async fn step(&mut self, at: usize, step: &Step, idle: usize) -> Result<()> {
        self.shared.reporter.operation(format!("creating {}", step.label));
        for attempt in 1.. {
            match self.build(&[(at, step)], idle).await {
                Ok(()) => break,
                Err(Error::Step { source, .. })
                    if step.tolerated.covers(source.sqlstate()) && source.classify().next != Next::Retry =>
                {
                    self.shared.not_created(&step.label, &source);
                    break;
                }
                Err(error) => self.again(attempt, &step.label, error).await?,
            }
        }
        Ok(())
    }

    async fn build(&mut self, steps: &[(usize, &Step)], idle: usize) -> Result<()> {
        let Some((_, first)) = steps.first() else { return Ok(()) };
        let failed = |source| Error::Step { object: first.label.clone(), source };
        let mut destination = self.writing().await?;
        let memory = self.shared.plan.maintenance_kb / self.shared.plan.workers.max(1) as u64;
        let rows = steps.iter().map(|(at, _)| sql!("('step', {n})", n = *at as u64));
        let mut text = sql!(
            "BEGIN; INSERT INTO multiboard_sync.ledger (kind, number) VALUES {rows}; \
             SET LOCAL max_parallel_maintenance_workers = {w}; SET LOCAL maintenance_work_mem = {m}",
            rows = Sql::join(rows, ", "),
            w = idle as u64,
            m = memory
        );
        for sql in steps.iter().flat_map(|(_, step)| &step.sql) {
            text.push_fixed(";\n");
            text.push(sql);
        }
        text.push_fixed(";\nCOMMIT");
        let pid = destination.backend_pid();
        // Of several small ones nobody needs to know how far they are.
        let index = first.builds.as_ref().filter(|_| steps.len() == 1);
        self.shared.builds(pid, index);
        let result = interruptible(&mut destination, &text, &self.shared).await;
        self.shared.builds(pid, None);
        self.settle(destination, result.is_ok());
        match result {
            Ok(_) => {}
            Err(Error::Connect(error)) if is_in_ledger(&error) => {}
            Err(Error::Connect(error)) => return Err(failed(error)),
            Err(error) => return Err(error),
        }
        self.shared.plan.committed.add(steps.len() as u64);
        Ok(())
    }

    /// ANALYZE of one table or of several, which takes a transaction for each in any case. Where one of them fails
    /// each is done by itself.
    pub(super) async fn analyses(&mut self, task: &Task) -> Result<()> {
        let tables: Vec<usize> = task.all().filter_map(Work::analyzed).collect();
        let began = Instant::now();
        if tables.len() > 1 {
            match self.analyze_all(&tables).await {
                Ok(()) => {
                    let each = share(began, tables.len());
                    tables.iter().for_each(|table| self.shared.analyzed(*table, each));
                    return Ok(());
                }
                Err(Error::Stopped) => return Err(Error::Stopped),
                Err(error) => {
                    tracing::debug!(%error, "ANALYZE of several tables failed; it is done one by one")
                }
            }
        }
        for table in tables {
            let began = Instant::now();
            self.analyze(table).await?;
            self.shared.analyzed(table, began.elapsed());
        }
        Ok(())
    }

    async fn analyze_all(&mut self, tables: &[usize]) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let names: Vec<_> =
            tables.iter().filter_map(|at| shared.plan.tables.get(*at)).map(|t| &t.name).collect();
        if let Some(first) = names.first() {
            shared.reporter.operation(format!("ANALYZE {first} and others"));
        }
        let mut destination = self.writing().await?;
        let statement = sql!("ANALYZE {t}", t = Sql::join(names, ", "));
        let result = interruptible(&mut destination, &statement, &shared).await;
        self.settle(destination, result.is_ok());
        result.map(drop)
    }

    /// A table's statistics can fail where an index calls a function that needs a `search_path`: the clone is whole
    /// without them.
    async fn analyze(&mut self, at: usize) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let Some(table) = shared.plan.tables.get(at) else { return Ok(()) };
        shared.reporter.operation(format!("ANALYZE {}", table.name));
        let statement = sql!("ANALYZE {t}", t = table.name);
        for attempt in 1.. {
            let mut destination = self.writing().await?;
            let result = interruptible(&mut destination, &statement, &shared).await;
            self.settle(destination, result.is_ok());
            match result {
                Ok(_) => return Ok(()),
                Err(Error::Connect(error)) if error.classify().next != Next::Retry => {
                    shared.not_analyzed(&table.name, &error);
                    return Ok(());
                }
                Err(error) => self.again(attempt, "ANALYZE", error).await?,
            }
        }
        Ok(())
    }
}

/// One piece's share of the time that so many took together.
fn share(began: Instant, pieces: usize) -> Duration {
    began.elapsed() / u32::try_from(pieces.max(1)).unwrap_or(u32::MAX)
}

/// Reports that a step is done.
fn tell<D: Dial>(shared: &Shared<D>, step: &Step, took: Duration) {
    if let Some(index) = &step.builds {
        shared.reporter.report(Update::IndexFinished { index: index.clone() });
    }
    if step.phase == Phase::Constraint {
        let scanned = step.scanned().and_then(|oid| shared.table(oid)).cloned();
        shared.reporter.report(Update::ConstraintFinished { scanned, took });
    }
}
