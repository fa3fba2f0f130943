-- Collations of both providers, deterministic or not, and what uses them.
CREATE SCHEMA "Odd C";
CREATE COLLATION posix (provider = libc, locale = 'C');
CREATE COLLATION "Odd C"."mixed Up" (provider = libc, lc_collate = 'C', lc_ctype = 'C.UTF-8');
CREATE COLLATION german (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
COMMENT ON COLLATION german IS 'as in the phone book';
CREATE TYPE named AS (n text COLLATE german);
CREATE DOMAIN word AS text COLLATE ignoring_case CHECK (VALUE <> 'x' COLLATE "Odd C"."mixed Up");
CREATE TABLE people (name text COLLATE german, nick text COLLATE ignoring_case UNIQUE, w word, c named);
CREATE INDEX people_posix ON people (name COLLATE posix);
CREATE TABLE sorted (k text COLLATE posix) PARTITION BY RANGE (k COLLATE "Odd C"."mixed Up");
CREATE VIEW sorted_people AS SELECT name FROM people ORDER BY name COLLATE "Odd C"."mixed Up";
