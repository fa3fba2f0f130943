-- Objects that need each other, in ways that neither names nor kinds put into an order.
CREATE SCHEMA c;
-- A view that needs itself by way of a function. (Of several that need each other views.sql has two; which of them
-- pg_dump declares first is a matter of oids.)
CREATE VIEW c.selfish AS SELECT 1 AS n, 'x'::text AS t;
CREATE FUNCTION c.of_selfish() RETURNS SETOF c.selfish LANGUAGE plpgsql STABLE AS 'BEGIN RETURN; END';
CREATE OR REPLACE VIEW c.selfish AS SELECT n, t FROM c.of_selfish();
-- Defaults, checks and generated columns that call functions which read tables, their own too.
CREATE TABLE c.a_defaults (id integer, n bigint);
CREATE TABLE c.b_defaults (id integer);
CREATE FUNCTION c.z_count() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM c.a_defaults, c.b_defaults';
CREATE FUNCTION c.z_atomic() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM c.a_defaults; END;
CREATE FUNCTION c.z_row(c.b_defaults) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.id > 0';
ALTER TABLE c.a_defaults ALTER n SET DEFAULT c.z_count(), ADD COLUMN m bigint DEFAULT c.z_atomic();
ALTER TABLE c.b_defaults ADD COLUMN n bigint DEFAULT c.z_atomic(), ADD CHECK (c.z_row(b_defaults)),
    ADD COLUMN o boolean GENERATED ALWAYS AS (id > 0) STORED;
INSERT INTO c.a_defaults (id) VALUES (1), (2);
INSERT INTO c.b_defaults (id) VALUES (1), (2);
-- Types that functions use which types use: a domain's check, a range's difference, a composite of a table's row.
CREATE TYPE c.z_composite AS (a integer, b text);
CREATE FUNCTION c.y_ok(c.z_composite) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1.a > 0';
CREATE DOMAIN c.a_domain AS c.z_composite CHECK (c.y_ok(VALUE));
CREATE FUNCTION c.x_ok(c.a_domain[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE DOMAIN c.a_upon AS c.a_domain[] CHECK (c.x_ok(VALUE));
CREATE TABLE c.holds (v c.a_upon, r c.z_composite[], CHECK (c.y_ok((r)[1])));
CREATE TYPE c.a_of_row AS (h c.holds, many c.holds[]);
CREATE TABLE c.b_of_row (x c.a_of_row);
CREATE FUNCTION c.w_diff(integer, integer) RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT ($1 - $2)::double precision';
CREATE TYPE c.a_range AS RANGE (subtype = integer, subtype_diff = c.w_diff);
CREATE DOMAIN c.a_of_range AS c.a_range CHECK (VALUE <> '[1,2)');
CREATE TABLE c.a_last (r c.a_of_range[] DEFAULT '{}', m c.a_multirange);
CREATE DOMAIN c.circular AS integer;
CREATE FUNCTION c.of_circular(c.circular) RETURNS c.circular[] LANGUAGE sql IMMUTABLE AS 'SELECT ARRAY[$1]';
ALTER DOMAIN c.circular ADD CONSTRAINT round CHECK (c.of_circular(VALUE) IS NOT NULL);
-- Partitions that were attached in another order than their names, kinds and oids have, two levels of them.
CREATE TABLE c.z_leaf (id integer NOT NULL, k integer);
CREATE TABLE c.a_leaf (k integer, id integer NOT NULL);
CREATE TABLE c.y_middle (k integer, id integer NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE c.b_root (id integer NOT NULL, k integer) PARTITION BY LIST (k);
ALTER TABLE c.y_middle ATTACH PARTITION c.z_leaf FOR VALUES FROM (0) TO (10);
ALTER TABLE c.b_root ATTACH PARTITION c.a_leaf FOR VALUES IN (2);
ALTER TABLE c.b_root ATTACH PARTITION c.y_middle FOR VALUES IN (1);
ALTER TABLE c.y_middle ADD PRIMARY KEY (id);
CREATE INDEX z_index ON c.b_root (k);
INSERT INTO c.b_root VALUES (1, 1), (1, 2);
CREATE TABLE c.a_points (id integer REFERENCES c.y_middle);
-- Keys in a circle of three, one of them to itself, and one over a partitioned table.
CREATE TABLE c.one (id integer PRIMARY KEY, next integer);
CREATE TABLE c.two (id integer PRIMARY KEY, next integer REFERENCES c.one);
CREATE TABLE c.three (id integer PRIMARY KEY, next integer REFERENCES c.two, self integer REFERENCES c.three);
ALTER TABLE c.one ADD FOREIGN KEY (next) REFERENCES c.three DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO c.one VALUES (1, 1);
INSERT INTO c.two VALUES (1, 1);
INSERT INTO c.three VALUES (1, 1, 1);
COMMIT;
-- A row type in an argument, a result, a column, an array, a view's column.
CREATE TABLE c.z_row (id integer, t text);
CREATE FUNCTION c.a_makes() RETURNS c.z_row LANGUAGE sql AS 'SELECT NULL::c.z_row';
CREATE TABLE c.a_keeps (one c.z_row, many c.z_row[], CHECK ((one).id > 0));
CREATE VIEW c.a_shows AS SELECT r, ARRAY[r] AS many FROM c.z_row AS r;
CREATE FUNCTION c.a_takes(VARIADIC c.a_shows[]) RETURNS integer LANGUAGE sql AS 'SELECT 1';
-- Identity and owned sequences, one that a column of another table uses.
CREATE TABLE c.z_ids (id integer GENERATED ALWAYS AS IDENTITY, s serial);
CREATE TABLE c.a_ids (id integer DEFAULT nextval('c.z_ids_s_seq'));
CREATE SEQUENCE c.b_ids OWNED BY c.a_ids.id;
-- Functions with SQL bodies: of a key, of a view, of each other, in an index, in a policy, a trigger's condition.
CREATE FUNCTION c.z_double(integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN $1 * 2;
CREATE FUNCTION c.a_quadruple(integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN c.z_double(c.z_double($1));
CREATE FUNCTION c.a_grouped() RETURNS SETOF integer LANGUAGE sql BEGIN ATOMIC SELECT next FROM c.one GROUP BY id; END;
CREATE VIEW c.a_upon_grouped AS SELECT g FROM c.a_grouped() AS g;
CREATE FUNCTION c.a_reads() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM c.a_upon_grouped; END;
CREATE MATERIALIZED VIEW c.a_kept AS SELECT c.a_reads() AS n;
CREATE INDEX a_computed ON c.z_row (c.a_quadruple(id)) WHERE c.z_double(id) > 0;
ALTER TABLE c.z_row ENABLE ROW LEVEL SECURITY;
CREATE POLICY a_policy ON c.z_row USING (c.a_quadruple(id) > 0 AND EXISTS (SELECT FROM c.a_shows));
CREATE FUNCTION c.a_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER a_trigger BEFORE INSERT ON c.z_row FOR EACH ROW WHEN (c.a_quadruple(new.id) > 0) EXECUTE FUNCTION c.a_touch();
CREATE AGGREGATE c.a_sum(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE VIEW c.a_summed AS SELECT c.a_sum(c.z_double(id)) AS n FROM c.z_row;
-- An extension's members in a default, a check, a view, a key.
CREATE EXTENSION citext WITH SCHEMA c;
CREATE TABLE c.a_cited (w c.citext PRIMARY KEY DEFAULT 'w'::c.citext CHECK (w OPERATOR(c.<>) 'x'));
CREATE VIEW c.a_citing AS SELECT w FROM c.a_cited WHERE w OPERATOR(c.=) 'Y'::c.citext;
-- Rules that reach other tables, a rule that returns rows through a view, a view over what a rule fills.
CREATE TABLE c.z_target (id integer);
CREATE VIEW c.a_front AS SELECT id FROM c.z_target;
CREATE RULE a_insert AS ON INSERT TO c.a_front DO INSTEAD INSERT INTO c.z_target VALUES (new.id) RETURNING id;
CREATE RULE z_also AS ON INSERT TO c.z_target DO ALSO INSERT INTO c.one SELECT new.id + 100, 0 WHERE c.a_quadruple(new.id) > 4;
