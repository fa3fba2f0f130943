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
-- 1: every type that the server has, with its typmods and as arrays of several dimensions; names as long as they can be.
CREATE TYPE d.mood AS ENUM ('sad', 'ok');
CREATE TABLE d.every (a "char", b name, c oid, d regclass, e regtype[], f xml, g json, h path, i box, j macaddr8, k pg_lsn, l tsquery,
    m pg_snapshot, n uuid, o bytea, p money, q cidr, r time(2), s time(3) with time zone, t timestamp(0), u bit(3), v bit varying,
    w interval year to month, x interval(3), y interval minute to second(1), z char, aa char(5)[], ab varchar(3)[][], ac d.mood[],
    ad int4multirange, ae datemultirange[], af jsonpath, ag circle, ah line, ai lseg, aj polygon, ak float4, al numeric(7), am bpchar,
    an regproc, ao refcursor, ap tid, aq xid8, ar cid, at interval hour, au int2vector, av oidvector, aw aclitem[], ax integer[3][]);
CREATE TABLE d.n234567890123456789012345678901234567890123456789012345678901234 (
    c23456789012345678901234567890123456789012345678901234567890123 serial PRIMARY KEY,
    c23456789012345678901234567890123456789012345678901234567890124 integer UNIQUE CHECK (c23456789012345678901234567890123456789012345678901234567890124 > 0),
    o integer REFERENCES d.n234567890123456789012345678901234567890123456789012345678901234);
-- 35: arrays of an enum under a domain; 23: an identity sequence by its own name.
CREATE DOMAIN d.moods AS d.mood[] DEFAULT '{ok}' NOT NULL;
CREATE TABLE d.of_moods (a d.moods, b d.moods[], c integer GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME d.own_name START -5 MINVALUE -10 CACHE 7));
-- 16, 29: a partitioned partition with defaults and statistics of its own, a leaf attached with an index of its own.
CREATE TABLE d.levels (a integer, b integer, t text) PARTITION BY RANGE (a);
CREATE TABLE d.level PARTITION OF d.levels FOR VALUES FROM (0) TO (10) PARTITION BY LIST (b);
CREATE TABLE d.leaf (t text, b integer, a integer) WITH (toast_tuple_target = 200, log_autovacuum_min_duration = 10);
CREATE INDEX of_leaf ON d.leaf (t) WITH (fillfactor = 66);
ALTER TABLE d.level ATTACH PARTITION d.leaf FOR VALUES IN (NULL, 7);
CREATE INDEX of_levels ON d.levels (t);
ALTER TABLE d.level ALTER t SET DEFAULT 'x', ALTER b SET STATISTICS 44;
CREATE CONSTRAINT TRIGGER of_leaf AFTER UPDATE OF t ON d.leaf DEFERRABLE FOR EACH ROW WHEN (old.t IS DISTINCT FROM new.t) EXECUTE FUNCTION d.touch('', E'\n', '$$');
-- 26, 46, 59: compression, storage parameters and an index with options of every kind, of a materialized view.
CREATE MATERIALIZED VIEW d.many WITH (toast.autovacuum_enabled = off, toast_tuple_target = 200) AS SELECT t, b FROM d.levels;
ALTER MATERIALIZED VIEW d.many ALTER t SET COMPRESSION pglz;
CREATE INDEX of_many ON d.many USING brin (b int4_minmax_multi_ops (values_per_range = 20)) WITH (autosummarize = on);
CREATE STATISTICS d.of_many ON b, t FROM d.many;
CREATE STATISTICS d.of_levels (ndistinct, mcv) ON (a + b), lower(t) FROM d.levels;
ALTER STATISTICS d.of_levels SET STATISTICS 33;
-- 54, 55, 62, 106: a view that takes changes by defaults, rules and triggers.
CREATE VIEW d.changing AS SELECT a, b FROM d.levels WITH CHECK OPTION;
ALTER VIEW d.changing ALTER a SET DEFAULT 7;
CREATE RULE noted AS ON UPDATE TO d.changing DO ALSO NOTIFY something;
CREATE TRIGGER changes INSTEAD OF INSERT OR UPDATE OR DELETE ON d.changing FOR EACH ROW EXECUTE FUNCTION d.touch();
COMMENT ON VIEW d.changing IS E'\\ '' "';
-- 73: arguments of any type, of one that suits all, in any number.
CREATE FUNCTION d.any_number(VARIADIC "any") RETURNS integer LANGUAGE internal AS 'pg_num_nulls';
CREATE FUNCTION d.suiting(anycompatible, anycompatiblearray, OUT x anycompatible) LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION d.over(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION d.over(integer, text DEFAULT 'x') RETURNS integer LANGUAGE sql AS 'SELECT 2';
