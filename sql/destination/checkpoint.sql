-- How far a mirror has come on this destination, written in the transactions that bring the rows themselves. Kept for as
-- long as the mirror is; `mirror drop` removes it. Needs: CREATE on the database.
CREATE SCHEMA IF NOT EXISTS multiboard_sync;

CREATE TABLE IF NOT EXISTS multiboard_sync.checkpoint (
    mirror pg_catalog.text PRIMARY KEY,
    -- Where the changes come from: positions of another cluster or timeline mean nothing.
    system_identifier pg_catalog.text NOT NULL,
    timeline pg_catalog.int8 NOT NULL,
    slot pg_catalog.text NOT NULL,
    -- The end of the last transaction whose rows are here.
    lsn pg_catalog.pg_lsn NOT NULL,
    -- When that was committed on the source; NULL before the first.
    committed_at pg_catalog.timestamptz,
    written_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE IF NOT EXISTS multiboard_sync.member (
    mirror pg_catalog.text NOT NULL REFERENCES multiboard_sync.checkpoint (mirror) ON DELETE CASCADE,
    -- The table on the source: one of the same name and another oid is another table.
    source_oid pg_catalog.int8 NOT NULL,
    schema_name pg_catalog.text NOT NULL,
    table_name pg_catalog.text NOT NULL,
    -- The table here that a copy of it went into, or that a person gave to it: its rows are the mirror's. NULL before that.
    destination_oid pg_catalog.oid,
    -- Which columns of that are which of the source's, by their numbers, since it was copied; and a sum of the source's as they
    -- were then. A name may be another column's by now.
    column_sum pg_catalog.text,
    source_columns pg_catalog.int2[],
    destination_columns pg_catalog.int2[],
    -- What the values of those of the source mean beside their type's name, as it was then: expressions, labels, attributes.
    source_meanings pg_catalog.text[],
    -- Names that were found to be other columns': rows may be wrong by that until the table is copied again.
    replaced_columns pg_catalog.text[],
    -- False while a copy of it has to be brought in: its changes are not written, and its rows here are of the past.
    follows pg_catalog.bool NOT NULL,
    -- As what the table was in the publication when its copy was made: one that was out of it since is copied again. NULL where
    -- the publication gives it no more: its changes are not written, and it does not wait for a copy. '' while it stands aside, '-'
    -- where it is besides for us to put it into the publication.
    entry pg_catalog.text,
    since pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (mirror, source_oid)
);

CREATE TABLE IF NOT EXISTS multiboard_sync.skip (
    mirror pg_catalog.text NOT NULL REFERENCES multiboard_sync.checkpoint (mirror) ON DELETE CASCADE,
    -- Where the commit of a transaction that is left out begins: no two begin at one place, but one often begins where the one
    -- before ended. It has been left out once the checkpoint is past it.
    lsn pg_catalog.pg_lsn NOT NULL,
    asked_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (mirror, lsn)
);

CREATE TABLE IF NOT EXISTS multiboard_sync.sequence (
    mirror pg_catalog.text NOT NULL REFERENCES multiboard_sync.checkpoint (mirror) ON DELETE CASCADE,
    -- Which sequence here is which of the source's, since they were looked at last: a name may be another's by now.
    source_oid pg_catalog.int8 NOT NULL,
    destination_oid pg_catalog.oid NOT NULL,
    PRIMARY KEY (mirror, source_oid)
);
