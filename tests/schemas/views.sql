-- Views, materialized views and rules.
CREATE SCHEMA v;
CREATE TABLE v.base (id integer PRIMARY KEY, name text NOT NULL, amount numeric(10, 2), "Odd ""col" text COLLATE "C", gone integer);
ALTER TABLE v.base DROP COLUMN gone;
INSERT INTO v.base SELECT i, 'n' || i, i FROM generate_series(1, 100) AS i;
CREATE SEQUENCE v.numbers;
CREATE VIEW v.simple (key, "The Name") AS SELECT id, name FROM v.base;
ALTER VIEW v.simple ALTER COLUMN key SET DEFAULT nextval('v.numbers');
CREATE VIEW v.checked WITH (security_barrier) AS SELECT * FROM v.base WHERE amount > 0 WITH LOCAL CHECK OPTION;
CREATE VIEW v.cascaded AS SELECT * FROM v.checked WHERE id > 0 WITH CASCADED CHECK OPTION;
CREATE VIEW v.barred WITH (security_barrier = false) AS SELECT id FROM v.base;
CREATE VIEW v.counting AS WITH RECURSIVE c (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT n FROM c;
CREATE VIEW v.whole_row AS SELECT b, b.id FROM v.base AS b;
CREATE VIEW v.grouped AS SELECT id, name, count(*) AS c FROM v.base GROUP BY id;
CREATE VIEW v.upon_grouped AS SELECT * FROM v.grouped;
CREATE VIEW v.no_columns AS SELECT FROM v.base;
CREATE VIEW v.joined AS SELECT a.id, b.name, CASE WHEN a.id > 5 THEN 'x'::text ELSE NULL::text END AS x
    FROM v.base a LEFT JOIN v.simple b(id, name) ON a.id = b.id AND a.name ~~ 'n%' WHERE a.id = ANY (ARRAY[1, 2, 3]);
-- Up to 15 a rule turns a table into a view; the server keeps nothing but the view.
DO $$ BEGIN IF current_setting('server_version_num')::integer < 160000 THEN
    CREATE TABLE v.turned (id integer, name text);
    CREATE RULE "_RETURN" AS ON SELECT TO v.turned DO INSTEAD SELECT id, name FROM v.base;
    COMMENT ON VIEW v.turned IS 'once a table';
    CREATE RULE into_it AS ON INSERT TO v.turned DO INSTEAD INSERT INTO v.base (id, name) VALUES (new.id, new.name);
END IF; END $$;
-- Two views that need each other, by way of a function.
CREATE VIEW v.first AS SELECT 1 AS a, 'x'::varchar(5) COLLATE "C" AS b;
CREATE FUNCTION v.of_first() RETURNS SETOF v.first LANGUAGE plpgsql STABLE AS 'BEGIN RETURN; END';
CREATE VIEW v.second AS SELECT * FROM v.of_first();
CREATE OR REPLACE VIEW v.first AS SELECT a, b FROM v.second;
CREATE FUNCTION v.takes_row(v.simple) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE MATERIALIZED VIEW v.m_base WITH (fillfactor = 70, autovacuum_enabled = false) AS SELECT id, name, repeat(name, 3) AS long FROM v.base;
CREATE UNIQUE INDEX m_base_id ON v.m_base (id);
CREATE INDEX m_base_name ON v.m_base (lower(name)) WHERE id > 3;
ALTER MATERIALIZED VIEW v.m_base ALTER COLUMN long SET STORAGE EXTERNAL;
ALTER MATERIALIZED VIEW v.m_base ALTER COLUMN name SET STATISTICS 321;
ALTER MATERIALIZED VIEW v.m_base ALTER COLUMN id SET (n_distinct = -0.5);
CREATE VIEW v.upon_m AS SELECT id FROM v.m_base;
CREATE MATERIALIZED VIEW v.a_upon AS SELECT count(*) AS n FROM v.upon_m;
CREATE MATERIALIZED VIEW v.m_grouped AS SELECT id, name FROM v.base GROUP BY id;
CREATE MATERIALIZED VIEW v.m_empty AS SELECT * FROM v.base WITH NO DATA;
CREATE INDEX m_empty_id ON v.m_empty (id);
CREATE TABLE v.log (what text, at timestamptz DEFAULT now());
CREATE RULE on_insert AS ON INSERT TO v.base WHERE new.id > 1000 DO ALSO INSERT INTO v.log (what) VALUES ('big; ' || new.name);
CREATE RULE on_delete AS ON DELETE TO v.base DO INSTEAD NOTHING;
CREATE RULE many AS ON UPDATE TO v.log DO ALSO (INSERT INTO v.log VALUES ('a'); DELETE FROM v.log WHERE what = 'b');
CREATE RULE through_view AS ON INSERT TO v.simple DO INSTEAD INSERT INTO v.base (id, name) VALUES (new.key, new."The Name") RETURNING id, name;
ALTER TABLE v.base DISABLE RULE on_delete;
ALTER TABLE v.base ENABLE ALWAYS RULE on_insert;
ALTER TABLE v.log ENABLE REPLICA RULE many;
-- 24: a sequence may go away with a view.
CREATE SEQUENCE v.of_view OWNED BY v.simple.key;
CREATE SEQUENCE v.of_circle OWNED BY v.first.a;
COMMENT ON VIEW v.simple IS 'a view';
COMMENT ON COLUMN v.simple."The Name" IS 'a column of a view';
COMMENT ON VIEW v.first IS 'in a circle';
COMMENT ON MATERIALIZED VIEW v.m_base IS 'a materialized view';
COMMENT ON COLUMN v.m_base.long IS 'long';
COMMENT ON INDEX v.m_base_id IS 'an index of a materialized view';
COMMENT ON RULE on_insert ON v.base IS 'a rule';
