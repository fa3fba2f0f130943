//! The integration tests: one binary, a module per topic, against real PostgreSQL servers.
