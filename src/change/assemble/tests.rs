//! Streams made by hand, and what comes of them.
