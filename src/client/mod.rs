//! A client of the server, as programs elsewhere would be one: it asks over HTTP and listens on the websocket.
//!
//! What a job is and what becomes of it is the server's to say; nothing here reads the store.

mod error;
mod follow;
mod http;
mod server;
mod socket;

pub use error::Error;
pub use follow::{Ended, Told, follow};
pub use http::Http;
pub use server::Server;
