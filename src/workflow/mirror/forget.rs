//! Takes away what a mirror has made on its source; what stays is named.

use super::drop::Made;
use super::error::Error;
use crate::connect::{self, Connection, Settings};
use crate::engine::replicate::{publication, slot};
use crate::failure::chain;
use crate::pg::Ident;
use crate::workflow::Result;
use crate::workflow::party::Party;

/// Drops slot and publication. A walsender of this mirror that its process has left is ended; anybody else's keeps the slot.
///
/// # Errors
/// [`Error::Left`] says what is there still.
pub(super) async fn forget(source: &Party, made: &Made) -> Result<()> {
    // A session of its own: the one that was there may have been interrupted in the middle of something.
    let session = match connect::source(&source.options, &Settings::default()).await {
        Ok(session) => session,
        Err(error) => return Err(Error::Left { left: both(made), why: chain(&error) }.into()),
    };
    let (mut left, mut why) = (Vec::new(), Vec::new());
    if let Err(problem) = drop_slot(&session, &made.slot).await {
        left.push(format!("replication slot \"{}\"", made.slot));
        why.push(problem);
    }
    if let Some(publication) = &made.publication
        && let Err(error) = publication::drop(&session, &Ident::new(publication)).await
    {
        left.push(format!("publication \"{publication}\""));
        why.push(chain(&error));
    }
    session.close().await;
    match left.is_empty() {
        true => Ok(()),
        false => Err(Error::Left { left, why: why.join("; ") }.into()),
    }
}

/// Drops the slot alone.
pub(super) async fn drop_slot(session: &Connection, name: &str) -> std::result::Result<(), String> {
    let free = slot::free(session, name, &application(name)).await.map_err(|error| chain(&error))?;
    if !free {
        return Err("another session of the source uses it".to_owned());
    }
    slot::drop(session, name).await.map_err(|error| chain(&error))
}

/// What a mirror's walsender calls itself: it tells whose it is. A server cuts off what is longer than 63 bytes.
pub(super) fn application(slot: &str) -> String {
    let application = format!("multiboard-sync {slot}");
    if application.len() < 64 { application } else { slot.to_owned() }
}

/// All that can be there.
fn both(made: &Made) -> Vec<String> {
    let mut left = vec![format!("replication slot \"{}\"", made.slot)];
    left.extend(made.publication.iter().map(|name| format!("publication \"{name}\"")));
    left
}

#[cfg(test)]
mod tests {
    use super::application;
    use crate::workflow::mirror::request::slot_of;

    #[test]
    fn a_walsender_s_name_is_never_cut_off_by_a_server() {
        assert_eq!(application(slot_of("m", "0123abcd").as_str()), "multiboard-sync mbs_m_0123abcd");
        let longest = slot_of(&"m".repeat(60), "0123abcd");
        assert_eq!(
            (longest.as_str().len(), application(longest.as_str())),
            (53, longest.as_str().to_owned())
        );
    }
}
