//! Before a mirror: whether it has been there, whether the source gives changes out, and what it is to publish.

use super::{Error, Request, standby};
use crate::connect::{self, Settings};
use crate::engine::apply::checkpoint::{self, Checkpoint};
use crate::engine::preflight::{self, check};
use crate::engine::replicate::{given, publication};
use crate::pg::name::for_people;
use crate::pg::{Oid, QualifiedName, Sql, sqlstate};
use crate::progress::Warning;
use crate::safety::is_loopback;
use crate::workflow::party::{Destination, Source};
use crate::workflow::{Result, clone};

/// The checkpoint of an earlier run, read without writing anything; `None` where the mirror begins.
pub(super) async fn checkpoint(request: &Request, destination: &Destination) -> Result<Option<Checkpoint>> {
    if destination.database.is_none() {
        return Ok(None);
    }
    let session = destination.connect(destination.grant.database()).await?;
    let found = checkpoint::read(session.client(), &request.name).await?;
    session.close().await;
    Ok(found)
}

/// Creates the publication over every table that can be mirrored, unless it is the owner's. The others are named: they are
/// cloned, and stay behind.
pub(super) async fn publish(request: &Request, context: &clone::Context, source: &Source) -> Result<()> {
    let session = connect::source(&source.party.options, &Settings::default()).await?;
    tell_what_fires(request, context, &session).await?;
    tell_of_large_objects(request, context, &session).await?;
    if request.publication.is_none() {
        create(request, context, &session).await?;
    }
    tell_what_is_searched(request, context, &session).await?;
    session.close().await;
    Ok(())
}

async fn create(request: &Request, context: &clone::Context, session: &connect::Connection) -> Result<()> {
    let tables = publication::tables(session, &request.slot()).await?;
    let kept = |table: &QualifiedName| is_kept(request, table);
    let publication::Choice { published, left_out, .. } = publication::choose(&tables, kept);
    for (table, why_not) in &left_out {
        let whole = tables.iter().any(|one| one.partitioned && one.name == *table);
        let message = match whole {
            true => format!("partitions that are made later are not followed: {why_not}"),
            false => format!("copied once and not followed: {why_not}"),
        };
        context.reporter.warn(Warning::new("not_mirrored", message).about(table));
    }
    Ok(publication::create(session, &request.slot(), &published).await?)
}

/// Names the triggers that will do on the destination what they did on the source already.
async fn tell_what_fires(
    request: &Request,
    context: &clone::Context,
    session: &connect::Connection,
) -> Result<()> {
    let query = Sql::fixed(include_str!("../../../sql/source/firing_triggers.sql"));
    for row in session.query(&query, &[]).await? {
        let read = || Ok((row.try_get("schema")?, row.try_get("name")?, row.try_get("triggers")?));
        let (schema, name, triggers): (&str, &str, &str) = read().map_err(|error| session.error(error))?;
        let table = QualifiedName::new(schema, name);
        if is_kept(request, &table) {
            let message =
                format!("triggers that are ENABLE ALWAYS or REPLICA fire on the destination too: {triggers}");
            context.reporter.warn(Warning::new("triggers_fire", message).about(&table));
        }
    }
    Ok(())
}

/// Names the tables of which every row that is updated or deleted has to be looked for among all rows.
async fn tell_what_is_searched(
    request: &Request,
    context: &clone::Context,
    session: &connect::Connection,
) -> Result<()> {
    // Where there is none the slot says so.
    let Some(published) = given::published(session, &request.publication()).await? else { return Ok(()) };
    let tables: Vec<Oid> = published.tables.iter().map(|table| table.member.oid).collect();
    let query = Sql::fixed(include_str!("../../../sql/source/searched_whole.sql"));
    for row in session.query(&query, &[&tables]).await? {
        let read = || Ok((row.try_get("schema")?, row.try_get("name")?));
        let (schema, name): (&str, &str) = read().map_err(|error| session.error(error))?;
        let message = "nothing but all of its columns identifies its rows (REPLICA IDENTITY FULL), and no unique index finds them: \
                       for each row that is updated or deleted the whole table is read, so to change all of n rows takes n times n. \
                       Give it a primary key, or a unique index over columns that tell rows apart";
        let warning = Warning::new("searched_whole", message).about(QualifiedName::new(schema, name));
        context.reporter.warn(warning);
    }
    Ok(())
}

/// Says that large objects stay as they were copied, or do not come, where there are any.
async fn tell_of_large_objects(
    request: &Request,
    context: &clone::Context,
    session: &connect::Connection,
) -> Result<()> {
    let query = Sql::fixed("SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)");
    let row = session.query_one(&query, &[]).await?;
    if row.try_get(0).map_err(|error| session.error(error))? {
        let message = match request.publication {
            None => "large objects are copied once and not followed: no publication gives their changes out",
            Some(_) => "large objects are not copied: no publication gives them out",
        };
        context.reporter.warn(Warning::new("not_mirrored", message));
    }
    Ok(())
}

/// Whether a table was asked for.
pub(super) fn is_kept(request: &Request, table: &QualifiedName) -> bool {
    request.clone.selection.matches(table) == crate::schema::select::Choice::Kept
}

/// Whether a mirror can begin at all, found out before anything is made on the source.
pub(super) async fn fit_to_begin(
    request: &Request,
    context: &clone::Context,
    source: &Source,
    destination: &Destination,
) -> Result<()> {
    may_apply(destination).await?;
    let session = connect::source(&source.party.options, &Settings::default()).await?;
    fit(request, context, &session).await?;
    names_are_free(request, &session).await?;
    session.close().await;
    Ok(())
}

/// Fails where something stands under the names of what is to be made: nothing of it was made by this mirror, of which nothing is
/// on record, so nothing of it may be taken away.
async fn names_are_free(request: &Request, session: &connect::Connection) -> Result<()> {
    let name = request.slot();
    let query = Sql::fixed(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1) AS slot, \
                EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1) AS publication",
    );
    let row = session.query_one(&query, &[&name.as_str()]).await?;
    let read = |column| row.try_get::<_, bool>(column).map_err(|error| session.error(error));
    let found = [
        ("replication slot", read("slot")?),
        ("publication", request.publication.is_none() && read("publication")?),
    ];
    let taken: Vec<String> = found
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(what, _)| format!("{what} \"{}\"", name.as_str()))
        .collect();
    match taken.is_empty() {
        true => Ok(()),
        false => Err(Error::Taken { mirror: request.name.clone(), taken }.into()),
    }
}

/// Whether our role may apply changes on the destination as they are.
async fn may_apply(destination: &Destination) -> Result<()> {
    let session = destination.maintenance().await?;
    let tried = session.batch(&Sql::fixed("SET session_replication_role = replica")).await;
    session.close().await;
    let Err(error) = tried else { return Ok(()) };
    if error.sqlstate() != Some(sqlstate::INSUFFICIENT_PRIVILEGE) {
        return Err(error.into());
    }
    let role = crate::pg::Ident::new(&destination.facts.role).quoted();
    let finding = check::Finding {
        code: "no_replica_role",
        message: format!(
            "role {role} of the destination may not switch triggers and foreign keys off while it applies changes"
        ),
        hint: format!(
            "on the destination as a superuser (15 or newer): GRANT SET ON PARAMETER session_replication_role TO {role}"
        ),
    };
    Ok(preflight::fail_on(vec![finding])?)
}

/// Whether changes can be had from this source at all.
async fn fit(request: &Request, context: &clone::Context, session: &connect::Connection) -> Result<()> {
    let query = Sql::fixed(include_str!("../../../sql/source/replication_facts.sql"));
    let row = session.query_one(&query, &[]).await?;
    let read = |error| session.error(error);
    let wal_level: String = row.try_get("wal_level").map_err(read)?;
    let may: bool = row.try_get("may_replicate").map_err(read)?;
    let free: i64 = row.try_get("free_slots").map_err(read)?;
    let role: String = row.try_get("role").map_err(read)?;
    let database: String = row.try_get("database").map_err(read)?;
    let unbounded: bool = row.try_get("unbounded").map_err(read)?;
    let standby: bool = row.try_get("standby").map_err(read)?;
    let feedback: bool = row.try_get("feedback").map_err(read)?;
    let mut findings = Vec::new();
    if standby {
        findings.extend(standby::fit(session.version(), request.publication.is_some()));
        if !feedback {
            context.reporter.warn(standby::keeps_no_rows());
        }
    }
    if unbounded && !request.accept_unbounded_wal && !is_loopback(session.dialed()) {
        findings.push(check::Finding {
            code: "unbounded_wal",
            message: "the source keeps log for a slot without a bound: when this machine is off for long, its disk fills up".to_owned(),
            hint: "on the source: ALTER SYSTEM SET max_slot_wal_keep_size = '8GB' and SELECT pg_reload_conf(); or take the \
                   risk with --accept-unbounded-wal"
                .to_owned(),
        });
    }
    if let Some(publication) = &request.publication
        && given::published(session, publication).await?.is_none()
    {
        let name = for_people(publication.as_str());
        findings.push(check::Finding {
            code: "no_publication",
            message: format!("database {} of the source has no publication {name}", for_people(&database)),
            hint: format!(
                "make it there first, a slot that is older cannot give it out: CREATE PUBLICATION {} FOR ..; or leave \
                 --publication out, and the mirror makes one of its own",
                publication.quoted()
            ),
        });
    }
    if wal_level != "logical" {
        findings.push(check::Finding {
            code: "wal_level",
            message: format!("the source's wal_level is {wal_level}, so it does not log what a mirror needs"),
            hint: "on the source: ALTER SYSTEM SET wal_level = logical, and restart it".to_owned(),
        });
    }
    if !may {
        findings.push(check::Finding {
            code: "no_replication",
            message: format!("role {role} of the source may not replicate"),
            hint: format!("on the source as a superuser: ALTER ROLE \"{role}\" REPLICATION"),
        });
    }
    if free < 1 {
        findings.push(check::Finding {
            code: "no_free_slot",
            message: "all replication slots of the source are in use".to_owned(),
            hint: "drop one that nobody needs, or raise max_replication_slots and restart the source"
                .to_owned(),
        });
    }
    Ok(preflight::fail_on(findings)?)
}
