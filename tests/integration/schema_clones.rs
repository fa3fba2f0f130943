//! Fixtures cloned by the real program, on every version of the run and into the newest: no differing line.

use crate::support::clones_without_a_differing_line;

/// A test of one fixture, from the first version that has its features.
macro_rules! cloned_without_a_differing_line {
    ($($name:ident: $since:literal;)*) => { $(
        #[tokio::test]
        async fn $name() {
            clones_without_a_differing_line(stringify!($name), $since, &[]).await;
        }
    )* };
}

cloned_without_a_differing_line! {
    columns: 14;
    sequences: 14;
    inheritance: 14;
    partitions: 14;
    constraints: 14;
    indexes: 14;
    tables_18: 18;
    table_storage: 14;
    types: 14;
    functions: 14;
    views: 14;
    extensions: 14;
    privileges: 14;
    triggers: 14;
    foreign: 14;
    statistics: 14;
    collations: 14;
    collations_16: 16;
    publications: 14;
    publications_15: 15;
    publications_18: 18;
    default_privileges: 14;
    default_privileges_18: 18;
    no_public: 14;
    tablespaces: 14;
    details: 14;
    details_15: 15;
    details_17: 17;
    dependencies: 14;
}
