//! A small job that changes no database: it writes a file into the data directory piece by piece, reads it back, and tells of it as
//! every job does. It tries the way from the request to the one who watches.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use super::{Result, stoppable};
use crate::failure::{Classify, Exit, Failure};
use crate::id::JobId;
use crate::pg::QualifiedName;
use crate::progress::{Phase, Report, Reporter, TableWork, Update, VerifyMode, Work};

/// Bytes of a piece.
const PIECE: usize = 64 << 10;

/// Pieces of a second's work.
const PIECES_A_SECOND: u32 = 10;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub job: JobId,
    /// The file is made here, and removed again.
    pub folder: PathBuf,
    /// So many seconds it works.
    pub seconds: u32,
    pub ending: Ending,
}

/// How it is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Well,
    /// As a cut network would end it.
    Retry,
    /// As something that a person has to mend would end it.
    Operator,
}

/// Why it did not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {doing} {}", path.display())]
    File { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{} was read back otherwise than it was written", .0.display())]
    Damaged(PathBuf),
    #[error("the test job was told to fail, in a way that another attempt may mend")]
    ToldToRetry,
    #[error("the test job was told to fail")]
    ToldToFail,
}

impl Classify for Error {
    fn classify(&self) -> Failure {
        match self {
            Self::File { .. } => Failure::operator("data_dir_failed", Exit::Failed)
                .hint("look whether data_dir is writable and its disk has space"),
            Self::Damaged(_) => Failure::operator("data_dir_damaged", Exit::Failed).hint(
                "the disk of data_dir does not keep what is written: look at its health before anything else",
            ),
            Self::ToldToRetry => Failure::retry("test_failed"),
            Self::ToldToFail => Failure::operator("test_failed", Exit::Failed),
        }
    }
}

/// Runs it to its end; the file is gone then, however it ended.
pub async fn run(request: &Request, reporter: &Reporter, stop: &CancellationToken) -> Result<Report> {
    let path = request.folder.join(format!("{}.test", request.job));
    reporter.phase(Phase::Plan);
    let pieces = (request.seconds * PIECES_A_SECOND).max(1);
    let file = QualifiedName::new("data_dir", "file");
    let bytes = u64::from(pieces) * PIECE as u64;
    let table = TableWork { table: file.clone(), bytes, rows_estimate: Some(u64::from(pieces)), scans: 0 };
    let work = Work { tables: vec![table], verify: VerifyMode::None, lanes: 1, ..Work::default() };
    reporter.report(Update::Plan(work));
    let working =
        stoppable(stop, "nothing was changed", write_and_read(&path, &file, pieces, reporter)).await;
    let removed = tokio::fs::remove_file(&path).await;
    working?;
    removed.map_err(|source| Error::File { doing: "remove", path, source })?;
    match request.ending {
        Ending::Well => Ok(Report::new(request.job.as_str(), "-", "-")),
        Ending::Retry => Err(Error::ToldToRetry.into()),
        Ending::Operator => Err(Error::ToldToFail.into()),
    }
}

async fn write_and_read(path: &Path, file: &QualifiedName, pieces: u32, reporter: &Reporter) -> Result<()> {
    let failed = |doing| move |source| Error::File { doing, path: path.to_owned(), source };
    reporter.phase(Phase::Copy);
    reporter.report(Update::TableStarted { table: file.clone() });
    let meter = reporter.meter(file);
    let mut written = Sha256::new();
    let mut out = tokio::fs::File::create(path).await.map_err(failed("make"))?;
    let mut beat = tokio::time::interval(Duration::from_secs(1) / PIECES_A_SECOND);
    for number in 1..=pieces {
        beat.tick().await;
        reporter.operation(format!("piece {number} of {pieces}"));
        let piece: Vec<u8> = number.to_le_bytes().repeat(PIECE / 4);
        written.update(&piece);
        out.write_all(&piece).await.map_err(failed("write"))?;
        out.sync_data().await.map_err(failed("write"))?;
        meter.add(PIECE as u64, 1);
    }
    drop(out);
    let bytes = u64::from(pieces) * PIECE as u64;
    reporter.report(Update::TableFinished { table: file.clone(), rows: pieces.into(), bytes });
    reporter.phase(Phase::Verify);
    let read = tokio::fs::read(path).await.map_err(failed("read"))?;
    match Sha256::digest(&read) == written.finalize() {
        true => Ok(()),
        false => Err(Error::Damaged(path.to_owned()).into()),
    }
}
