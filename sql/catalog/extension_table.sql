-- Tables of extensions with row-level security, which users switch on.
SELECT
    c.oid,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS name,
    c.relrowsecurity AS enabled,
    c.relforcerowsecurity AS forced
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND (c.relrowsecurity OR c.relforcerowsecurity)
  AND c.oid >= 16384
  AND EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 1259 AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname;
