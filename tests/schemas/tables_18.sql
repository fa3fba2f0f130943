-- What tables can say from PostgreSQL 18 on.
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE virtual (a integer, b integer GENERATED ALWAYS AS (a * 2) VIRTUAL, c integer GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE not_nulls (a integer CONSTRAINT "named it" NOT NULL, b integer NOT NULL NO INHERIT, c integer, d integer PRIMARY KEY);
ALTER TABLE not_nulls ADD CONSTRAINT unproven NOT NULL c NOT VALID;
CREATE TABLE not_nulls_child (b integer, e integer, CONSTRAINT own NOT NULL b) INHERITS (not_nulls);
CREATE TABLE not_nulls_inheriting () INHERITS (not_nulls);
CREATE TABLE unenforced (a integer CHECK (a > 0) NOT ENFORCED, d integer CONSTRAINT free REFERENCES not_nulls NOT ENFORCED);
CREATE TABLE rooms (room integer, during tsrange, PRIMARY KEY (room, during WITHOUT OVERLAPS) WITH (fillfactor = 65), other int4range, UNIQUE (room, other WITHOUT OVERLAPS));
CREATE TABLE bookings (room integer, during tsrange,
    FOREIGN KEY (room, PERIOD during) REFERENCES rooms (room, PERIOD during));
CREATE TABLE parted (id integer GENERATED ALWAYS AS IDENTITY, during tsrange, r integer NOT NULL,
    CONSTRAINT no_clash EXCLUDE USING gist (r WITH =, during WITH &&) WITH (fillfactor = 64)) PARTITION BY RANGE (r);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
ALTER TABLE parted_1 RENAME CONSTRAINT parted_1_r_during_excl TO "of the First";
COMMENT ON INDEX "of the First" IS 'an index of a partition';
COMMENT ON CONSTRAINT "of the First" ON parted_1 IS 'a constraint of a partition';
ALTER INDEX "of the First" SET (fillfactor = 77);
ALTER TABLE parted_1 CLUSTER ON "of the First";
COMMENT ON CONSTRAINT "named it" ON not_nulls IS 'on a NOT NULL';
