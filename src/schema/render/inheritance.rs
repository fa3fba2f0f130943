//! Inheritance and partitions.
