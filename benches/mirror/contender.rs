//! Who follows: our mirror, and native subscriptions at their default and with `streaming = on`. Each has a database of its
//! own on the destination and a slot of its own on the source, and is stopped while loads are made.

use std::time::Duration;

use crate::cost::Cost;
use crate::load;
use crate::servers::Servers;
use crate::support::binary::Running;
use crate::support::{Binary, Outcome, Session, eventually, usage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    Native,
    NativeStreaming,
}

impl Kind {
    /// Native ones last: a publication that is there when our mirror begins would be cloned.
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Native, Self::NativeStreaming];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Native => "native",
            Self::NativeStreaming => "native, streaming = on",
        }
    }

    /// Its database on the destination, and the native subscription in it.
    fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Native => "native",
            Self::NativeStreaming => "native_streaming",
        }
    }
}

pub(crate) struct Contender<'s> {
    pub(crate) kind: Kind,
    servers: &'s Servers,
    /// The source's database.
    database: &'static str,
    program: Binary,
    running: Option<Running>,
}

impl<'s> Contender<'s> {
    pub(crate) fn new(servers: &'s Servers, kind: Kind, database: &'static str, program: &str) -> Self {
        Self { kind, servers, database, program: Binary::of(program), running: None }
    }

    /// Its database on the destination.
    pub(crate) fn word(&self) -> &'static str {
        self.kind.word()
    }

    pub(crate) async fn session(&self) -> Session {
        self.servers.destination_session(self.word()).await
    }

    pub(crate) fn source_url(&self) -> String {
        self.servers.source.socket_url(self.database)
    }

    pub(crate) fn destination_url(&self) -> String {
        self.servers.destination.socket_url(self.word())
    }

    /// The servers as they are before something is timed.
    pub(crate) async fn rest(&self) {
        self.servers.rest(self.word()).await;
    }

    /// Copies what the source has now, and stops where it could follow.
    pub(crate) async fn prepare(&mut self) {
        if self.kind == Kind::Ours {
            self.start().await;
            let running = self.running.as_mut().unwrap();
            running.event("that it streams", |line| line["data"]["phase"] == "streaming").await;
        } else {
            let word = self.word();
            self.servers.destination.execute(&format!("CREATE DATABASE {word}")).await;
            let session = self.session().await;
            session.execute_all(load::DEFINITIONS).await;
            let source = self.servers.source_session(self.database).await;
            let there = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_publication WHERE pubname = 'native'";
            if source.query_text(there).await == "0" {
                source.execute_all("CREATE PUBLICATION native FOR ALL TABLES").await;
            }
            let (folder, port) =
                (self.servers.source.folder().display(), self.servers.source.address().port());
            let streaming = if self.kind == Kind::NativeStreaming { " WITH (streaming = on)" } else { "" };
            session
                .execute_all(&format!(
                    "CREATE SUBSCRIPTION {word} \
                     CONNECTION 'host={folder} port={port} user=postgres dbname={}' PUBLICATION native{streaming}",
                    self.database
                ))
                .await;
            let waiting = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_subscription_rel AS r \
                JOIN pg_catalog.pg_subscription AS s ON s.oid = r.srsubid \
                WHERE s.subname = current_database() AND r.srsubstate <> 'r'";
            eventually("all tables copied", async || match session.query_text(waiting).await {
                text if text == "0" => Ok(()),
                text => Err(text),
            })
            .await;
        }
        self.stop().await;
    }

    /// Follows from here on.
    pub(crate) async fn start(&mut self) {
        if self.kind == Kind::Ours {
            let (from, to) = (self.source_url(), self.destination_url());
            let arguments =
                ["mirror", "--json", "--no-input", "--name", "bench", "--from", &from, "--to", &to];
            self.running = Some(self.program.start(&arguments));
        } else {
            let enable = format!("ALTER SUBSCRIPTION {} ENABLE", self.word());
            self.session().await.execute_all(&enable).await;
        }
    }

    /// Stops in order; what ours used is known then.
    pub(crate) async fn stop(&mut self) -> Cost {
        let mut cost = Cost::default();
        match self.running.take() {
            Some(running) => {
                cost.cpu = usage::process_cpu(running.pid()).unwrap_or_default();
                cost.peak_kib = usage::peak_kib(running.pid()).unwrap_or_default();
                running.interrupt();
                Outcome::of(running.finish().await).expect_code(0);
            }
            None => {
                let disable = format!("ALTER SUBSCRIPTION {} DISABLE", self.word());
                self.session().await.execute_all(&disable).await;
            }
        }
        let active = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots WHERE active";
        eventually("no slot in use", async || match self.servers.source.query_text(active).await {
            text if text == "0" => Ok(()),
            text => Err(text),
        })
        .await;
        cost
    }

    /// What it printed, for the one who asks why something did not come.
    pub(crate) fn said(&self) -> String {
        let printed = self.running.as_ref().map(Running::printed).unwrap_or_default();
        let lines: Vec<&str> = printed.lines().filter(|line| !line.contains("progress")).collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// What both servers and our process have used so far.
    pub(crate) fn cost(&self) -> [Duration; 3] {
        let server = |server: &crate::support::Server| {
            usage::server_cpu(&server.folder().join("data")).unwrap_or_default()
        };
        let own = self.running.as_ref().and_then(|running| usage::process_cpu(running.pid()));
        [server(&self.servers.source), server(&self.servers.destination), own.unwrap_or_default()]
    }

    /// Its slot and its database go.
    pub(crate) async fn remove(self) {
        if self.kind == Kind::Ours {
            let (from, to) = (self.source_url(), self.destination_url());
            self.program.run(&["mirror", "drop", "bench", "--from", &from, "--to", &to]).await.expect_code(0);
        } else {
            self.session().await.execute_all(&format!("DROP SUBSCRIPTION {}", self.word())).await;
        }
        self.servers.destination.execute(&format!("DROP DATABASE {} WITH (FORCE)", self.word())).await;
    }
}
