-- How tables and indexes are kept and found, in forms that every version has. Numbers are the rows of the list of kinds.
-- 3, 4: dropped columns, of which some left nothing behind.
CREATE TABLE holes (a integer, b text, c integer DEFAULT 3);
ALTER TABLE holes DROP COLUMN b, ADD COLUMN d text DEFAULT 'fast';
CREATE TABLE emptied (a integer);
INSERT INTO emptied VALUES (1), (2);
ALTER TABLE emptied DROP COLUMN a;
-- 2: no columns at all, with rows.
CREATE TABLE nothing ();
INSERT INTO nothing DEFAULT VALUES;
-- 1, 7: names that need every care, unlogged.
CREATE UNLOGGED TABLE "un""logged % $1 ""
t" ("a""b" integer, "%s" text, "$$" text);
INSERT INTO "un""logged % $1 ""
t" VALUES (1, 'x', 'y');
-- 27: what the planner is told of a column.
CREATE TABLE told (a integer, b text);
ALTER TABLE told ALTER a SET STATISTICS 500, ALTER b SET (n_distinct = -0.5, n_distinct_inherited = 20);
-- 29: storage parameters, the TOAST table's too.
CREATE TABLE parameters (a integer, t text) WITH (fillfactor = 70, autovacuum_enabled = false,
    autovacuum_vacuum_scale_factor = 0.01, parallel_workers = 3, user_catalog_table = true,
    toast.autovacuum_enabled = false, toast.autovacuum_freeze_max_age = 200000000);
-- 32: each replica identity; the index of the last exists after the table.
CREATE TABLE whole_rows (a integer);
ALTER TABLE whole_rows REPLICA IDENTITY FULL;
CREATE TABLE no_rows (a integer PRIMARY KEY);
ALTER TABLE no_rows REPLICA IDENTITY NOTHING;
CREATE TABLE by_index (a integer NOT NULL, b integer NOT NULL);
CREATE UNIQUE INDEX by_index_b ON by_index (b);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b;
-- 33: clustered by an index, by a key, and no longer.
CREATE TABLE clustered (a integer CONSTRAINT clustered_key PRIMARY KEY, b integer);
ALTER TABLE clustered CLUSTER ON clustered_key;
CREATE TABLE clustered_by_index (a integer);
CREATE INDEX clustered_index ON clustered_by_index (a);
ALTER TABLE clustered_by_index CLUSTER ON clustered_index;
CREATE TABLE unclustered (a integer PRIMARY KEY);
ALTER TABLE unclustered CLUSTER ON unclustered_pkey;
ALTER TABLE unclustered SET WITHOUT CLUSTER;
-- 48: statistics targets of index columns.
CREATE TABLE measured (a integer, b integer);
CREATE INDEX measured_sum ON measured ((a + b), a, (a * b)) WITH (fillfactor = 60);
ALTER INDEX measured_sum ALTER COLUMN 1 SET STATISTICS 400, ALTER COLUMN 3 SET STATISTICS 0;
-- 18: the hash of an enum depends on its OID; 34: a row type inside another.
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE by_mood (m mood, n integer) PARTITION BY HASH (m);
CREATE TABLE by_mood_0 PARTITION OF by_mood FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE by_mood_1 PARTITION OF by_mood FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO by_mood SELECT 'sad', g FROM generate_series(1, 10) AS g;
CREATE TABLE pairs (first told, many told[]);
-- 20, 127: a default that calls a function which reads the table itself.
CREATE TABLE counted (a integer);
CREATE FUNCTION how_many() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.counted';
ALTER TABLE counted ADD COLUMN n bigint DEFAULT how_many();
INSERT INTO counted (a) VALUES (1);
-- 43: keys in a circle.
CREATE TABLE hen (id integer PRIMARY KEY, egg integer);
CREATE TABLE egg (id integer PRIMARY KEY, hen integer REFERENCES hen);
ALTER TABLE hen ADD CONSTRAINT hatched FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE kept_apart (id integer NOT NULL, span int4range);
CREATE TABLE kept_apart_child (PRIMARY KEY (id) WITH (fillfactor = 60)) INHERITS (kept_apart);
CREATE TABLE parted_keys (id integer, other integer, PRIMARY KEY (id) INCLUDE (other) WITH (fillfactor = 61),
    UNIQUE (id, other) WITH (fillfactor = 62, deduplicate_items = off) DEFERRABLE) PARTITION BY LIST (id);
CREATE TABLE parted_keys_1 PARTITION OF parted_keys FOR VALUES IN (1);
ALTER INDEX parted_keys_1_pkey SET (fillfactor = 71);
CREATE TABLE excluding_keys (id integer, span int4range,
    EXCLUDE USING gist (span WITH &&) WITH (fillfactor = 63) WHERE (id > 0) DEFERRABLE);
