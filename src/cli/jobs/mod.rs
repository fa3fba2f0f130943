//! `multiboard-sync jobs`: the jobs of a server, over HTTP and its websocket; where none runs, what this machine remembers.

mod text;
mod watch;
mod which;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::context::{Context, Found};
use super::{Outcome, print};
use crate::client::{Error, Http};
use crate::id::JobId;
use crate::job::{Filter, Kind, Record, Store};
use which::Which;

/// Options of `jobs`.
#[derive(Debug, Args)]
#[command(after_help = TOKENS)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    which: Which,
}

const TOKENS: &str = "The token that the server is shown is in the file of --token-file, or in MULTIBOARD_SYNC_TOKEN; without them \
    the one in admin-token of the data directory is used for a server on this machine. Where no server is named and none answers, \
    `list` and `show` read the records of this machine.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List jobs, newest first
    List {
        /// Only of this type: clone, mirror, verify, test
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<Kind>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Show all that is known of a job
    Show {
        /// The job's id
        job: JobId,
    },
    /// Follow a job to its end, from its beginning, and end with its exit code; Ctrl-C ends the watching, not the job
    Watch {
        /// The job's id
        job: JobId,
    },
    /// Cancel a job: it stops, and takes back what it did
    Cancel {
        /// The job's id
        job: JobId,
    },
    /// Try a job again that failed or was cancelled
    Retry {
        /// The job's id
        job: JobId,
    },
}

/// Runs the command. With `--json` each job is an object on a line of its own.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Outcome {
    let Arguments { command, which } = arguments;
    let Some((http, named)) = which.http(context)? else {
        return match command {
            Command::List { .. } | Command::Show { .. } => local(context, &command),
            _ => Err(which::no_server(context).into()),
        };
    };
    if let Command::Watch { job } = &command {
        return watch::run(context, &http, job).await;
    }
    let json = context.globals.json;
    let Some(asked) = context.unless_stopped(ask(&http, &command, json)).await else {
        return Ok(crate::failure::Exit::Interrupted);
    };
    match asked {
        Ok(text) => print(&text),
        Err(Error::Unreachable { place, .. })
            if !named && matches!(command, Command::List { .. } | Command::Show { .. }) =>
        {
            which::says_local(context, &place);
            local(context, &command)
        }
        Err(error) => Err(error.into()),
    }
}

/// What the server says, as text.
async fn ask(http: &Http, command: &Command, json: bool) -> Result<String, Error> {
    let page = |job: Value| if json { format!("{job}\n") } else { text::page_shown(&job) };
    match command {
        Command::List { kind, limit } => {
            let kind = kind.map(|kind| kind.to_string());
            let jobs = http.jobs(kind.as_deref(), *limit).await?;
            Ok(match json {
                true => jobs.iter().map(|job| format!("{job}\n")).collect(),
                false => text::list_shown(&jobs),
            })
        }
        Command::Show { job } | Command::Watch { job } => http.job(job).await.map(page),
        Command::Cancel { job } => http.act(job, "cancel").await.map(|shown| done(&shown, json)),
        Command::Retry { job } => http.act(job, "retry").await.map(|shown| done(&shown, json)),
    }
}

/// The job after something was asked of it, and how to see what comes of that.
fn done(job: &Value, json: bool) -> String {
    if json {
        return format!("{job}\n");
    }
    let text = |name: &str| text::shown(job, name).unwrap_or_default();
    let (id, status) = (text("id"), text("status"));
    format!("job {id} was told; it is {status} now. To see its end: multiboard-sync jobs watch {id}\n")
}

/// The same out of this machine's records.
fn local(context: &Context, command: &Command) -> Outcome {
    let store = context.store()?;
    let json = context.globals.json;
    let text = match command {
        Command::Show { job } => {
            let record = store.get(job)?;
            if json { line_of_json(&record) } else { text::page(&record) }
        }
        _ => {
            let (kind, limit) = match command {
                Command::List { kind, limit } => (*kind, *limit),
                _ => (None, 0),
            };
            let records = store.list(&Filter { kind, limit: Some(limit), ..Filter::default() })?;
            match json {
                true => records.iter().map(line_of_json).collect(),
                false => text::list(&records),
            }
        }
    };
    print(&text)
}

fn line_of_json(record: &Record) -> String {
    let value = serde_json::to_value(record).unwrap_or_default();
    format!("{value}\n")
}
