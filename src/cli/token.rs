//! `multiboard-sync token`: who may use the server of this data directory.

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use super::table::{aligned, moment};
use super::{NoStart, Outcome, print};
use crate::access::{self, Scope, Token, Tokens};
use crate::failure::{Classify, Exit, Failure};
use crate::workflow::party::unix_ms;

/// Options of `token`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token, and print it: it is shown this once
    Create {
        /// What it may do: read, run or admin
        #[arg(long)]
        scope: Scope,
        /// What it is for
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List the tokens
    List,
    /// Take a token back: it is refused within a second
    Revoke {
        /// Its id, as `token list` shows it
        id: String,
    },
}

/// A token that there is not.
#[derive(Debug, thiserror::Error)]
#[error("there is no token {0}")]
struct NoSuchToken(String);

impl Classify for NoSuchToken {
    fn classify(&self) -> Failure {
        Failure::operator("no_such_token", Exit::Usage).hint("`multiboard-sync token list` shows them")
    }
}

/// Runs the command.
pub(super) fn run(context: &Context, arguments: Arguments) -> Outcome {
    let store = context.store()?;
    let json = context.globals.json;
    match arguments.command {
        Command::Create { scope, name } => {
            let made = access::make(&name, scope, unix_ms());
            let (token, text) = made.map_err(|error| NoStart {
                doing: "make a token",
                source: std::io::Error::other(error.to_string()),
            })?;
            store.add_token(&token, &access::hash(&text))?;
            print(&match json {
                true => format!(
                    "{}\n",
                    json!({"type": "token", "id": token.id, "scope": scope, "token": text.expose()})
                ),
                false => format!("{}\n", text.expose()),
            })
        }
        Command::List => {
            let tokens: Vec<Token> = store.tokens()?.into_iter().map(|(token, _)| token).collect();
            print(&match json {
                true => tokens.iter().map(|token| format!("{}\n", json!(token))).collect(),
                false => list(&tokens),
            })
        }
        Command::Revoke { id } => match store.revoke_token(&id)? {
            true => print(&match json {
                true => format!("{}\n", json!({"type": "token_revoked", "id": id})),
                false => format!("token {id} is taken back\n"),
            }),
            false => Err(NoSuchToken(id).into()),
        },
    }
}

fn list(tokens: &[Token]) -> String {
    if tokens.is_empty() {
        return "no tokens yet\n".to_owned();
    }
    let head = ["TOKEN", "SCOPE", "NAME", "CREATED"].map(str::to_owned).to_vec();
    let row = |token: &Token| {
        vec![token.id.clone(), token.scope.to_string(), token.name.clone(), moment(token.created_ms)]
    };
    aligned(&std::iter::once(head).chain(tokens.iter().map(row)).collect::<Vec<_>>())
}
