-- Foreign-data wrappers, servers, user mappings, foreign tables with all that they can have.
-- Roles: mbs_owner, mbs_reader, "mbs Writer".
CREATE SCHEMA "Odd F";
CREATE EXTENSION postgres_fdw WITH SCHEMA "Odd F";
CREATE FOREIGN DATA WRAPPER bare;
CREATE FOREIGN DATA WRAPPER "Full One" HANDLER "Odd F".postgres_fdw_handler OPTIONS (debug 'true', "Odd Option" 'it''s');
ALTER FOREIGN DATA WRAPPER bare OWNER TO postgres;
CREATE SERVER plain FOREIGN DATA WRAPPER bare;
CREATE SERVER "Far Away" TYPE 'a type' VERSION '1.0' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere', dbname 'it''s', port '1');
ALTER SERVER plain OWNER TO mbs_owner;
GRANT USAGE ON FOREIGN SERVER "Far Away" TO mbs_reader WITH GRANT OPTION;
GRANT USAGE ON FOREIGN DATA WRAPPER bare TO mbs_owner;
COMMENT ON FOREIGN DATA WRAPPER bare IS 'a wrapper';
COMMENT ON SERVER plain IS 'a server';
CREATE USER MAPPING FOR PUBLIC SERVER plain;
CREATE USER MAPPING FOR "mbs Writer" SERVER "Far Away" OPTIONS (user 'someone', password 'se''cret');
CREATE TYPE mood AS ENUM ('ok');
CREATE FUNCTION fresh() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FOREIGN TABLE far (id integer NOT NULL, "a B" text OPTIONS (column_name 'it''s') COLLATE "C", m mood DEFAULT 'ok', n integer DEFAULT fresh(),
    twice integer GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT positive CHECK (id > 0)) SERVER "Far Away" OPTIONS (schema_name 'x', table_name 'y');
CREATE FOREIGN TABLE nothing () SERVER plain;
ALTER FOREIGN TABLE far ALTER COLUMN "a B" SET STORAGE EXTERNAL, ALTER COLUMN id SET STATISTICS 7, ALTER COLUMN id SET (n_distinct = 5);
ALTER FOREIGN TABLE far OWNER TO mbs_owner;
GRANT SELECT ON far TO mbs_reader;
GRANT UPDATE (id) ON far TO mbs_reader;
COMMENT ON FOREIGN TABLE far IS 'far away';
COMMENT ON COLUMN far."a B" IS 'a column far away';
COMMENT ON CONSTRAINT positive ON far IS 'a check far away';
CREATE VIEW over_far AS SELECT id FROM far;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER on_far BEFORE INSERT ON far FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE parent (a integer, b text);
CREATE FOREIGN TABLE child_far (c integer) INHERITS (parent) SERVER plain;
CREATE FOREIGN TABLE base_far (a integer, b text) SERVER plain;
CREATE TABLE child_here () INHERITS (base_far);
CREATE TABLE parted (k integer, v text) PARTITION BY LIST (k);
CREATE TABLE part_here PARTITION OF parted FOR VALUES IN (1);
CREATE FOREIGN TABLE "Odd F".part_far PARTITION OF parted FOR VALUES IN (2) SERVER plain OPTIONS (t 'x');
CREATE MATERIALIZED VIEW from_far AS SELECT id FROM far WITH NO DATA;
