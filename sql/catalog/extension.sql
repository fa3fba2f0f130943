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
          AND d.refobjid = e.oid) AS brings_schema,
    -- Sequences whose positions the extension leaves to the user.
    s.oids AS sequence_oids,
    s.schemas AS sequence_schemas,
    s.names AS sequence_names,
    s.readable AS sequence_readable
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (
    SELECT COALESCE(pg_catalog.array_agg(c.oid ORDER BY c.oid), '{}') AS oids,
           COALESCE(pg_catalog.array_agg(sn.nspname::pg_catalog.text ORDER BY c.oid), '{}') AS schemas,
           COALESCE(pg_catalog.array_agg(c.relname::pg_catalog.text ORDER BY c.oid), '{}') AS names,
           COALESCE(pg_catalog.array_agg(pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
               AND pg_catalog.has_schema_privilege(sn.oid, 'USAGE') ORDER BY c.oid), '{}') AS readable
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS sn ON sn.oid = c.relnamespace
    WHERE c.oid = ANY (e.extconfig) AND c.relkind = 'S') AS s
WHERE e.oid >= 16384
ORDER BY e.extname;
