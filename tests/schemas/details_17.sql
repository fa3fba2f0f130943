-- Details that came with PostgreSQL 17: collations of the server's own, NOT NULL of a domain by name, triggers at login,
-- identity through a partitioned table (pg_dump 18 cannot restore an exclusion through one: tables_18.sql has it); and children that generate otherwise (16).
CREATE COLLATION own (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE sorted (t text COLLATE own UNIQUE, i integer);
CREATE INDEX by_own ON sorted (lower(t) COLLATE own DESC);
CREATE DOMAIN named AS integer CONSTRAINT "is there" NOT NULL CHECK (VALUE > 0);
CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 3), k integer) PARTITION BY LIST (k);
CREATE TABLE numbered_1 PARTITION OF numbered FOR VALUES IN (1);
INSERT INTO numbered (k) VALUES (1), (1);
CREATE FUNCTION greet() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER greeting ON login EXECUTE FUNCTION greet();
ALTER EVENT TRIGGER greeting ENABLE ALWAYS;
CREATE TABLE generating (a integer, b integer GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE generating_otherwise (b integer GENERATED ALWAYS AS (a * 22) STORED) INHERITS (generating);
CREATE TABLE said_heap (a integer) PARTITION BY LIST (a) USING heap;
CREATE TABLE said_heap_1 PARTITION OF said_heap FOR VALUES IN (1);
