-- Partitioned tables by every strategy, with indexes, keys and foreign keys through the hierarchy.
CREATE SCHEMA leaves;
CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
CREATE TABLE measures (at timestamptz NOT NULL, sensor integer NOT NULL, value numeric, note text DEFAULT 'm',
    CONSTRAINT sane CHECK (value < 1000)) PARTITION BY RANGE (at, sensor);
CREATE TABLE measures_2024 PARTITION OF measures FOR VALUES FROM ('2024-01-01', MINVALUE) TO ('2025-01-01', MINVALUE);
CREATE TABLE leaves.measures_2025 PARTITION OF measures (note DEFAULT 'leaf', value NOT NULL)
    FOR VALUES FROM ('2025-01-01', MINVALUE) TO ('2026-01-01', MAXVALUE) WITH (fillfactor = 50);
CREATE TABLE measures_rest PARTITION OF measures DEFAULT;
CREATE TABLE measures_2027 (note text, dropped integer, value numeric, sensor integer NOT NULL, at timestamptz NOT NULL,
    CONSTRAINT sane CHECK (value < 1000), CONSTRAINT own CHECK (sensor > 0));
ALTER TABLE measures_2027 DROP COLUMN dropped;
ALTER TABLE measures ATTACH PARTITION measures_2027 FOR VALUES FROM ('2027-01-01', 0) TO ('2028-01-01', 0);
ALTER TABLE measures ADD PRIMARY KEY (at, sensor);
CREATE INDEX measures_value ON measures (value);
CREATE INDEX leaf_only ON measures_2024 (note);
ALTER INDEX measures_2024_value_idx RENAME TO "Value of 2024";
CREATE UNIQUE INDEX measures_identity ON measures (sensor, at);
ALTER TABLE measures REPLICA IDENTITY USING INDEX measures_identity;
ALTER TABLE measures_2024 REPLICA IDENTITY USING INDEX measures_2024_pkey, CLUSTER ON "Value of 2024";

CREATE TABLE areas (region text NOT NULL, city text COLLATE "C", id integer) PARTITION BY LIST (lower(region));
CREATE TABLE areas_eu PARTITION OF areas FOR VALUES IN ('eu', 'europe', NULL) PARTITION BY HASH (id);
CREATE TABLE areas_eu_0 PARTITION OF areas_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE areas_eu_1 PARTITION OF areas_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE areas_us PARTITION OF areas FOR VALUES IN ('us') PARTITION BY RANGE (city COLLATE "POSIX" text_pattern_ops);
CREATE TABLE areas_us_a PARTITION OF areas_us FOR VALUES FROM ('a') TO (MAXVALUE);
CREATE INDEX areas_id ON areas (id DESC NULLS LAST) INCLUDE (city);
CREATE INDEX incomplete ON ONLY areas (city);
CREATE INDEX incomplete_leaf ON areas_us_a (city);
CREATE TABLE empty_parent (a integer) PARTITION BY RANGE (a);

CREATE TABLE colours (c colour NOT NULL, n integer) PARTITION BY HASH (c);
CREATE TABLE colours_0 PARTITION OF colours FOR VALUES WITH (MODULUS 1, REMAINDER 0);

CREATE TABLE targets (id integer PRIMARY KEY, label text) PARTITION BY RANGE (id);
CREATE TABLE targets_1 PARTITION OF targets FOR VALUES FROM (0) TO (100);
CREATE TABLE targets_2 PARTITION OF targets FOR VALUES FROM (100) TO (200);
CREATE TABLE points (id integer NOT NULL, target integer REFERENCES targets (id) ON DELETE CASCADE,
    plain integer, UNIQUE (id) DEFERRABLE) PARTITION BY RANGE (id);
CREATE TABLE points_1 PARTITION OF points FOR VALUES FROM (0) TO (100);
CREATE TABLE points_2 PARTITION OF points FOR VALUES FROM (100) TO (200);
CREATE TABLE from_plain (id integer PRIMARY KEY, target integer CONSTRAINT to_targets REFERENCES targets);
ALTER TABLE points ADD CONSTRAINT to_plain FOREIGN KEY (plain) REFERENCES from_plain DEFERRABLE INITIALLY DEFERRED;
COMMENT ON TABLE measures_2024 IS 'a leaf';
COMMENT ON INDEX measures_value IS 'a partitioned index';
