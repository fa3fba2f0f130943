-- What came with PostgreSQL 15: unlogged sequences, columns of SET NULL and SET DEFAULT, NULLS NOT DISTINCT, security_invoker.
CREATE UNLOGGED SEQUENCE of_none START 7;
CREATE TABLE logged (id serial, other integer GENERATED ALWAYS AS IDENTITY);
ALTER SEQUENCE logged_id_seq SET UNLOGGED;
CREATE UNLOGGED TABLE unlogged (id serial, other integer GENERATED ALWAYS AS IDENTITY);
ALTER SEQUENCE unlogged_other_seq SET LOGGED;
CREATE TABLE target (a integer, b integer DEFAULT 1, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE TABLE keys (a integer, b integer DEFAULT 1, FOREIGN KEY (a, b) REFERENCES target (a, b) ON DELETE SET DEFAULT (b));
CREATE TABLE nulled (a integer PRIMARY KEY, b integer, CONSTRAINT matched FOREIGN KEY (a, b) REFERENCES target (a, b) MATCH FULL ON DELETE SET NULL (b) ON UPDATE SET DEFAULT);
ALTER TABLE nulled ADD CONSTRAINT no_nulls UNIQUE NULLS NOT DISTINCT (b) INCLUDE (a);
CREATE UNIQUE INDEX distinct_nulls ON keys (b, a) NULLS NOT DISTINCT WITH (fillfactor = 55);
CREATE UNIQUE INDEX partial_nulls ON keys (abs(a)) NULLS NOT DISTINCT WHERE b IS NULL;
CREATE VIEW as_invoker WITH (security_invoker = on, security_barrier = on) AS SELECT a FROM target;
CREATE VIEW as_owner WITH (security_invoker = false, security_barrier = false) AS SELECT a FROM target;
