-- Constraints of domains; `NOT NULL` ones have a row of their own from PostgreSQL 17 on.
SELECT
    c.oid,
    c.contypid AS domain,
    c.contype AS kind,
    c.conname::pg_catalog.text AS name,
    c.convalidated AS validated,
    pg_catalog.pg_get_constraintdef(c.oid) AS definition
FROM pg_catalog.pg_constraint AS c
WHERE c.contypid <> 0
ORDER BY c.contypid, c.conname;
