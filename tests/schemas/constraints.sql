-- Keys, exclusions, checks and foreign keys with every option before 15.
CREATE FUNCTION is_even(integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
CREATE TABLE keys (
    a integer, b integer, c integer, d text, e int4range,
    CONSTRAINT "The key" PRIMARY KEY (b, a) INCLUDE (c) WITH (fillfactor = 60),
    UNIQUE (c), UNIQUE (c, d) DEFERRABLE, CONSTRAINT wide UNIQUE (a, d) INCLUDE (b), CONSTRAINT later UNIQUE (d) DEFERRABLE INITIALLY DEFERRED,
    EXCLUDE USING gist (e WITH &&) WHERE (a > 0) DEFERRABLE,
    CONSTRAINT excluded EXCLUDE USING btree (lower(d) COLLATE "C" WITH =) INCLUDE (a)
);
CREATE TABLE checks (
    a integer CHECK (a > 0), b integer, c text,
    CONSTRAINT both_set CHECK ((a IS NULL) = (b IS NULL)),
    CONSTRAINT even CHECK (is_even(a)),
    CONSTRAINT here_only CHECK (c <> '') NO INHERIT,
    CONSTRAINT whole_row CHECK (checks.* IS NOT NULL)
);
ALTER TABLE checks ADD CONSTRAINT not_checked CHECK (b < 10) NOT VALID;
CREATE TABLE parents (id integer PRIMARY KEY, x integer, y integer, UNIQUE (x, y));
CREATE TABLE children (
    id integer PRIMARY KEY,
    parent integer REFERENCES parents ON UPDATE CASCADE ON DELETE RESTRICT,
    x integer, y integer,
    previous integer CONSTRAINT itself REFERENCES children DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT full_match FOREIGN KEY (x, y) REFERENCES parents (x, y) MATCH FULL ON DELETE SET NULL ON UPDATE SET DEFAULT
);
ALTER TABLE children ADD CONSTRAINT unproven FOREIGN KEY (id) REFERENCES parents NOT VALID;
ALTER TABLE parents ADD COLUMN favourite integer CONSTRAINT round_trip REFERENCES children DEFERRABLE;
CREATE TABLE to_index (x integer);
CREATE UNIQUE INDEX by_index ON to_index (x);
CREATE TABLE from_index (x integer REFERENCES to_index (x));
-- Keys that say the same: in one CREATE TABLE they would become one.
CREATE TABLE repeated (id integer PRIMARY KEY, t text);
ALTER TABLE repeated ADD CONSTRAINT repeated_again UNIQUE (id);
ALTER TABLE repeated ADD CONSTRAINT repeated_once_more UNIQUE (id);
ALTER TABLE repeated ADD CONSTRAINT repeated_wide UNIQUE (id) INCLUDE (t);
ALTER TABLE repeated ADD CONSTRAINT repeated_wide_too UNIQUE (id) INCLUDE (t);
ALTER TABLE repeated ADD CONSTRAINT repeated_later UNIQUE (id) DEFERRABLE;
ALTER TABLE repeated ADD CONSTRAINT repeated_excluded EXCLUDE USING btree (id WITH =);
ALTER TABLE repeated ADD CONSTRAINT repeated_excluded_too EXCLUDE USING btree (id WITH =);
CREATE TABLE to_repeated (id integer CONSTRAINT of_again REFERENCES repeated);
INSERT INTO repeated VALUES (1, 'x');
COMMENT ON CONSTRAINT full_match ON children IS 'a foreign key''s';
COMMENT ON CONSTRAINT even ON checks IS 'a check''s';
CREATE VIEW grouped AS SELECT p.id, p.x, count(*) FROM parents AS p GROUP BY p.id;
