-- Extensions that were not there when the cluster was made (initdb's own, plpgsql, has an oid below 16384).
SELECT
    e.oid,
    e.extname::pg_catalog.text AS name,
    e.extversion AS version,
    n.nspname::pg_catalog.text AS schema,
    EXISTS (
        SELECT 1 FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
          AND d.objid = n.oid AND d.deptype = 'e'
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
          AND d.refobjid = e.oid) AS brings_schema
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.oid >= 16384
ORDER BY e.extname;
