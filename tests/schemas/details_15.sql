-- Details that came with PostgreSQL 15: unlogged sequences, columns of SET NULL and SET DEFAULT.
CREATE UNLOGGED SEQUENCE of_none START 7;
CREATE TABLE logged (id serial, other integer GENERATED ALWAYS AS IDENTITY);
ALTER SEQUENCE logged_id_seq SET UNLOGGED;
CREATE UNLOGGED TABLE unlogged (id serial, other integer GENERATED ALWAYS AS IDENTITY);
ALTER SEQUENCE unlogged_other_seq SET LOGGED;
CREATE TABLE target (a integer, b integer DEFAULT 1, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE TABLE keys (a integer, b integer DEFAULT 1, FOREIGN KEY (a, b) REFERENCES target (a, b) ON DELETE SET DEFAULT (b));
CREATE VIEW as_invoker WITH (security_invoker = on, security_barrier = on) AS SELECT a FROM target;
