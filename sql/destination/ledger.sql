-- Creates, in the staging database, the ledger of what has been committed there and the door for large objects.
--   multiboard_sync.ledger             one row for each chunk or step whose transaction committed
--   multiboard_sync.large_object_part  rows copied into it are written to large objects by its trigger, none is kept
-- Needs: ownership of the staging database. Removed by ledger_drop.sql before the swap.
CREATE SCHEMA multiboard_sync;

CREATE TABLE multiboard_sync.ledger (
    kind pg_catalog.text NOT NULL,
    number pg_catalog.int8 NOT NULL,
    PRIMARY KEY (kind, number)
);

CREATE TABLE multiboard_sync.large_object_part (
    loid pg_catalog.oid NOT NULL,
    start pg_catalog.int8 NOT NULL,
    data pg_catalog.bytea NOT NULL
);

CREATE FUNCTION multiboard_sync.put_large_object_part() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = ''
AS $$
BEGIN
    PERFORM pg_catalog.lo_put(NEW.loid, NEW.start, NEW.data);
    RETURN NULL;
END
$$;

CREATE TRIGGER put BEFORE INSERT ON multiboard_sync.large_object_part
    FOR EACH ROW EXECUTE FUNCTION multiboard_sync.put_large_object_part();
