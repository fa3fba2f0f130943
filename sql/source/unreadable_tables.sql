-- Tables that our role cannot read whole: no SELECT on some column, or row-level security that applies to it.
-- $1 oids of the tables to be copied. Any role may read this.
SELECT n.nspname AS schema,
       c.relname AS name,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT')
            AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')) AS not_permitted,
       pg_catalog.row_security_active(c.oid) AS rows_hidden
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1)
   AND c.relkind IN ('r', 'p')
   AND (NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
        OR NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
        OR pg_catalog.row_security_active(c.oid))
 ORDER BY n.nspname, c.relname
