//! Connections
pub mod dial;
pub mod endpoint;
pub mod error;
pub mod options;
mod standin;
mod stream;
pub mod tls;
