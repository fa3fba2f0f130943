-- 1,000 small tables, as a multi-tenant or micro-service database has them: each with a primary key, a sequence
-- behind a default, an index, a foreign key, a check, a comment and a few rows. psql's variable "scale" multiplies the rows.

SET synchronous_commit = off;

CREATE SCHEMA tenants;
SET search_path = tenants;

-- A statement each: in one transaction 1,000 tables would need more locks than a server has by default.
SELECT format($$CREATE TABLE t%1$s (id serial PRIMARY KEY, parent_id integer, name text NOT NULL,
                    amount numeric(10, 2) DEFAULT 0 CHECK (amount >= 0), data jsonb, created_at timestamptz NOT NULL DEFAULT now())$$, n),
       format($$INSERT INTO t%1$s (parent_id, name, amount, data, created_at)
                SELECT r, 'row ' || r, r, jsonb_build_object('r', r), '2025-01-01' FROM generate_series(1, (20 * %2$s)::integer) AS r$$, n, :'scale'),
       format('CREATE INDEX t%1$s_name ON t%1$s (name, created_at)', n),
       format('ALTER TABLE t%1$s ADD FOREIGN KEY (parent_id) REFERENCES t%2$s', n, greatest(n - 1 - n % 10, 1)),
       format('COMMENT ON TABLE t%1$s IS %2$L', n, 'Small table ' || n)
FROM generate_series(1, 1000) AS n \gexec
