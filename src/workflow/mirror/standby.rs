//! A standby as the source of a mirror. From 16 on a slot can be made there, and gives out what its primary writes; nothing
//! can be written there, so the publication has to come from the primary, and is the owner's.

use crate::engine::preflight::check::Finding;
use crate::pg::Version;
use crate::progress::Warning;

/// Why no mirror can begin there, if so, by the standby's version and whether a publication was named.
pub(super) fn fit(version: Version, published: bool) -> Option<Finding> {
    if !version.at_least(16) {
        return Some(Finding {
            code: "standby_cannot_decode",
            message: format!(
                "the source is a standby, and one of PostgreSQL {} gives no changes out: that begins with 16",
                version.major()
            ),
            hint: "mirror from its primary".to_owned(),
        });
    }
    (!published).then(|| Finding {
        code: "standby_cannot_publish",
        message: "the source is a standby, where the mirror cannot make a publication".to_owned(),
        hint: "on its primary: CREATE PUBLICATION NAME FOR ..; then mirror with --publication NAME, or mirror from the primary"
            .to_owned(),
    })
}

/// Rows of catalogs that the slot needs do not outlive the primary's next vacuum.
pub(super) fn keeps_no_rows() -> Warning {
    let message = "the source is a standby whose hot_standby_feedback is off: when its primary vacuums its catalogs the slot is lost, \
                   and the mirror needs a new copy. On the standby: ALTER SYSTEM SET hot_standby_feedback = on and SELECT \
                   pg_reload_conf(), with a physical slot on the primary (primary_slot_name)";
    Warning::new("standby_keeps_no_rows", message)
}

/// A slot there begins with a word of the primary's, which one that is idle does not say by itself.
pub(super) fn waits_for_primary() -> Warning {
    let message = "the slot cannot begin before the source's primary has logged which transactions run there, which it does in \
                   its own time. On the primary: SELECT pg_log_standby_snapshot()";
    Warning::new("waits_for_primary", message)
}

#[cfg(test)]
mod tests {
    use super::fit;
    use crate::pg::Version;

    #[test]
    fn a_standby_gives_out_what_its_primary_publishes_from_16_on() {
        for (major, published, expected) in [
            (14, true, Some("standby_cannot_decode")),
            (15, false, Some("standby_cannot_decode")),
            (16, false, Some("standby_cannot_publish")),
            (16, true, None),
            (18, true, None),
        ] {
            let found = fit(Version::from_number(major * 10_000), published).map(|finding| finding.code);
            assert_eq!(found, expected, "{major}, {published}");
        }
    }
}
