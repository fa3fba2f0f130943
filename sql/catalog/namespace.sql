-- Schemas of the user: no system schema, none that belongs to an extension.
SELECT
    n.oid,
    n.nspname::pg_catalog.text AS name,
    pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text AS owner,
    pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        AND d.objid = n.oid AND d.deptype = 'e')
ORDER BY n.nspname;
