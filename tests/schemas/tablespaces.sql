-- Tablespaces of tables, indexes of every way to be made, partitioned parents and materialized views. Row 30.
-- Tablespaces: mbs_fast, "mbs Slow".
CREATE TABLE plain (id integer PRIMARY KEY, n text) TABLESPACE mbs_fast;
CREATE TABLE with_index (id integer PRIMARY KEY USING INDEX TABLESPACE "mbs Slow", n text UNIQUE USING INDEX TABLESPACE mbs_fast);
CREATE TABLE in_both (id integer PRIMARY KEY USING INDEX TABLESPACE mbs_fast) TABLESPACE mbs_fast;
CREATE TABLE of_other (id integer PRIMARY KEY USING INDEX TABLESPACE "mbs Slow") WITH (fillfactor = 70) TABLESPACE mbs_fast;
CREATE INDEX plain_n ON plain (n) WITH (fillfactor = 60) TABLESPACE "mbs Slow" WHERE id > 0;
CREATE INDEX plain_default ON plain (n);
CREATE UNIQUE INDEX clustered ON plain (id, n) TABLESPACE mbs_fast;
ALTER TABLE plain CLUSTER ON clustered;
CREATE INDEX measured ON plain (lower(n)) TABLESPACE mbs_fast;
ALTER INDEX measured ALTER COLUMN 1 SET STATISTICS 300;
CREATE TABLE identified (id integer NOT NULL UNIQUE USING INDEX TABLESPACE mbs_fast DEFERRABLE INITIALLY DEFERRED, k integer NOT NULL);
CREATE UNIQUE INDEX identity ON identified (k) TABLESPACE "mbs Slow";
ALTER TABLE identified REPLICA IDENTITY USING INDEX identity;
CREATE TABLE excluding (r int4range, a integer,
    CONSTRAINT apart EXCLUDE USING gist (r WITH &&) USING INDEX TABLESPACE mbs_fast WHERE (a > 0) DEFERRABLE);
CREATE TABLE parent (id integer NOT NULL, t text) TABLESPACE mbs_fast;
CREATE TABLE child (PRIMARY KEY (id) USING INDEX TABLESPACE "mbs Slow") INHERITS (parent);
-- Large enough for its keys to be built beside the copy.
CREATE TABLE large (id integer PRIMARY KEY USING INDEX TABLESPACE mbs_fast, n integer UNIQUE USING INDEX TABLESPACE "mbs Slow" DEFERRABLE, t text) TABLESPACE "mbs Slow";
INSERT INTO large SELECT g, g, repeat('x', 200) FROM generate_series(1, 20000) AS g;
CREATE TABLE parted (id integer, k integer, CONSTRAINT parted_key PRIMARY KEY (id, k) USING INDEX TABLESPACE "mbs Slow")
    PARTITION BY LIST (k) TABLESPACE mbs_fast;
CREATE TABLE part_inherits PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE part_own PARTITION OF parted FOR VALUES IN (2) TABLESPACE "mbs Slow";
CREATE TABLE part_default PARTITION OF parted FOR VALUES IN (3) TABLESPACE pg_default;
CREATE TABLE part_below PARTITION OF parted FOR VALUES IN (4) PARTITION BY RANGE (id);
CREATE TABLE part_below_1 PARTITION OF part_below FOR VALUES FROM (0) TO (10);
CREATE INDEX parted_index ON parted (k) TABLESPACE mbs_fast;
CREATE INDEX other_index ON parted (id);
ALTER INDEX part_own_k_idx SET TABLESPACE "mbs Slow";
CREATE MATERIALIZED VIEW seen WITH (fillfactor = 90) TABLESPACE mbs_fast AS SELECT id, n FROM plain;
CREATE UNIQUE INDEX seen_id ON seen (id) TABLESPACE "mbs Slow";
CREATE MATERIALIZED VIEW seen_here AS SELECT id FROM plain;
