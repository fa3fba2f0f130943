-- What the other fixtures leave out of their rows of the list of kinds, which the numbers name.
-- Roles: mbs_owner, mbs_alice, mbs_bob, mbs_reader.
CREATE SCHEMA d;
-- 5: a column that was added with a default while rows were there, and one whose default has changed since.
CREATE TABLE d.fast (id integer PRIMARY KEY);
INSERT INTO d.fast SELECT generate_series(1, 5);
ALTER TABLE d.fast ADD COLUMN added text NOT NULL DEFAULT 'then', ADD COLUMN n numeric(8, 2) DEFAULT 1.5;
ALTER TABLE d.fast ALTER added SET DEFAULT 'now';
INSERT INTO d.fast VALUES (6);
-- 11: a child that inherits how a column is generated, and one that has a default where the parent has none.
CREATE TABLE d.generating (a integer, b integer GENERATED ALWAYS AS (a + 1) STORED, c text);
CREATE TABLE d.defaulting () INHERITS (d.generating);
ALTER TABLE d.defaulting ALTER c SET DEFAULT 'child';
-- 13: a typed table with constraints of every sort.
CREATE TYPE d.of_type AS (a integer, b text, c date);
CREATE TABLE d.typed OF d.of_type (a WITH OPTIONS PRIMARY KEY, b WITH OPTIONS UNIQUE DEFAULT 'b' CHECK (b <> ''),
    CONSTRAINT dated CHECK (c > '2000-01-01'));
ALTER TABLE d.typed ALTER b SET STORAGE EXTERNAL;
-- 16, 17: partitions with storage, owner, collation order and schema of their own.
CREATE SCHEMA "d leaves" AUTHORIZATION mbs_owner;
CREATE TABLE d.parted (id integer NOT NULL, t text, k text COLLATE "C") PARTITION BY LIST (k);
CREATE TABLE "d leaves".part_a PARTITION OF d.parted (id DEFAULT 7, CONSTRAINT own CHECK (id > 0)) FOR VALUES IN ('a') WITH (autovacuum_enabled = off);
ALTER TABLE "d leaves".part_a ALTER t SET STORAGE EXTERNAL, ALTER t SET STATISTICS 77, ALTER id SET (n_distinct = 3);
ALTER TABLE "d leaves".part_a OWNER TO mbs_owner;
CREATE UNLOGGED TABLE d.part_b PARTITION OF d.parted FOR VALUES IN ('b');
INSERT INTO d.parted VALUES (1, 'x', 'a'), (2, 'y', 'b');
-- 19: a partition whose detaching was begun and not ended.
CREATE TABLE d.part_c PARTITION OF d.parted FOR VALUES IN ('c');
UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'd.part_c'::regclass;
-- 129: everything that can hang on a partitioned parent.
ALTER TABLE d.parted ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON d.parted FOR SELECT TO mbs_reader USING (k = 'a');
CREATE POLICY of_leaf ON d.part_b AS RESTRICTIVE USING (id > 0);
CREATE TABLE d.log (id integer);
CREATE RULE logged AS ON INSERT TO d.parted WHERE new.id > 1000 DO ALSO INSERT INTO d.log VALUES (new.id);
CREATE RULE of_leaf AS ON DELETE TO d.part_b DO INSTEAD NOTHING;
CREATE STATISTICS d.of_parent ON id, t FROM d.parted;
CREATE FUNCTION d.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE INSERT ON d.parted FOR EACH ROW EXECUTE FUNCTION d.touch('an ''argument''', '\', '%s $1');
CREATE TRIGGER stated AFTER UPDATE ON d.parted REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION d.touch();
COMMENT ON POLICY seen ON d.parted IS 'on a parent';
COMMENT ON RULE logged ON d.parted IS 'on a parent';
COMMENT ON TRIGGER touched ON d.parted IS 'on a parent';
COMMENT ON STATISTICS d.of_parent IS 'on a parent';
-- 26: what the type itself would store otherwise.
CREATE TABLE d.stored (n numeric, i inet, t text, j jsonb);
ALTER TABLE d.stored ALTER n SET STORAGE EXTENDED, ALTER i SET STORAGE PLAIN, ALTER t SET STORAGE EXTENDED, ALTER j SET STORAGE MAIN, ALTER j SET COMPRESSION pglz;
-- 37, 43: a key that is deferrable from the start, and every action.
CREATE TABLE d.target (a integer, b integer DEFAULT 1, PRIMARY KEY (a, b) DEFERRABLE INITIALLY DEFERRED, UNIQUE (b, a));
CREATE TABLE d.keys (a integer, b integer DEFAULT 1, c integer,
    CONSTRAINT restricting FOREIGN KEY (b, a) REFERENCES d.target (b, a) ON DELETE RESTRICT ON UPDATE RESTRICT,
    CONSTRAINT cascading FOREIGN KEY (b, c) REFERENCES d.target (b, a) ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT nulling FOREIGN KEY (c, a) REFERENCES d.target (b, a) ON DELETE SET NULL ON UPDATE SET NULL DEFERRABLE,
    CONSTRAINT defaulting FOREIGN KEY (a, b) REFERENCES d.target (b, a) ON DELETE SET DEFAULT ON UPDATE SET DEFAULT INITIALLY DEFERRED);
-- 40: an exclusion with options of its operator class; 46: an index of an extension's access method.
CREATE EXTENSION ltree WITH SCHEMA d;
CREATE EXTENSION bloom;
CREATE TABLE d.paths (p d.ltree, a integer, b integer, CONSTRAINT one_path EXCLUDE USING gist (p d.gist_ltree_ops (siglen = 100) WITH OPERATOR(d.=)) WHERE (a > 0));
CREATE INDEX bloomed ON d.paths USING bloom (a, b) WITH (length = 80, col1 = 2);
-- 57: a base whose columns were renamed under the view.
CREATE TABLE d.base (old integer, gone integer, kept text);
CREATE VIEW d.renamed AS SELECT b.old, b.kept, b FROM d.base AS b;
CREATE VIEW d.starred AS SELECT * FROM d.base JOIN d.fast ON id = old;
ALTER TABLE d.base RENAME old TO "new Name";
ALTER VIEW d.renamed RENAME COLUMN kept TO "select";
-- 72: a support function, and options that list names.
CREATE FUNCTION d.counted(integer, integer) RETURNS SETOF integer LANGUAGE internal IMMUTABLE STRICT ROWS 12 SUPPORT generate_series_int4_support AS 'generate_series_int4';
CREATE FUNCTION d.with_settings() RETURNS integer LANGUAGE sql SECURITY DEFINER SET search_path TO '' SET temp_tablespaces TO '' SET "app.one" TO 'a, b' AS 'SELECT 1';
CREATE FUNCTION d.with_lists() RETURNS integer LANGUAGE sql SET search_path TO pg_catalog, "we,ird", "it's" SET local_preload_libraries TO 'a b', c AS 'SELECT 1';
-- 93: one extension that was moved, one that another brought.
CREATE EXTENSION hstore;
ALTER EXTENSION hstore SET SCHEMA d;
CREATE EXTENSION earthdistance CASCADE;
CREATE TABLE d.uses_moved (h d.hstore DEFAULT 'a=>1', c cube);
-- 98: a sequence that was used, one that was set and not called, one that has run down.
CREATE SEQUENCE d.used;
SELECT nextval('d.used'), nextval('d.used');
CREATE SEQUENCE d.set_only START 5;
SELECT setval('d.set_only', 77, false);
CREATE SEQUENCE d.down AS smallint INCREMENT -3 MAXVALUE 10 MINVALUE -10 CYCLE;
SELECT nextval('d.down');
-- 108: owners of the kinds that the other fixtures leave to the superuser.
CREATE COLLATION d.posix (provider = libc, locale = 'C');
ALTER COLLATION d.posix OWNER TO mbs_owner;
ALTER STATISTICS d.of_parent OWNER TO mbs_owner;
CREATE TYPE d.span AS RANGE (subtype = integer);
ALTER TYPE d.span OWNER TO mbs_owner;
CREATE TYPE d.shell;
ALTER VIEW d.renamed OWNER TO mbs_owner;
CREATE FUNCTION d.window_one() RETURNS bigint LANGUAGE internal WINDOW AS 'window_row_number';
ALTER FUNCTION d.window_one() OWNER TO mbs_owner;
-- 109, 111: privileges on a range and a domain, on a view's column, all of them taken away.
GRANT USAGE ON TYPE d.span TO mbs_alice;
CREATE DOMAIN d.word AS text;
REVOKE ALL ON TYPE d.word FROM PUBLIC;
GRANT SELECT ("select") ON d.renamed TO mbs_bob;
REVOKE ALL ON d.log FROM postgres;
