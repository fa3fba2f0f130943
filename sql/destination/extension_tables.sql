-- Tables of extensions in which users keep rows (pg_cron's jobs), where they are not empty files.
-- `whole` says whether our role sees all of their rows. Any role may read this. Run in the destination database, read-only.
-- Materialized: a size locks its table, so that of no other table may be asked, which somebody may have locked.
WITH kept AS MATERIALIZED (
       SELECT c.oid, n.oid AS schema, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, u.condition
         FROM pg_catalog.pg_extension AS e
        CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) AS u (oid, condition)
         JOIN pg_catalog.pg_class AS c ON c.oid = u.oid
         JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r')
SELECT k.name,
       k.condition,
       pg_catalog.has_schema_privilege(k.schema, 'USAGE')
           AND pg_catalog.has_table_privilege(k.oid, 'SELECT')
           AND NOT pg_catalog.row_security_active(k.oid) AS whole
  FROM kept AS k
 WHERE pg_catalog.pg_relation_size(k.oid) > 0
 ORDER BY 1
