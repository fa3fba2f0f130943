-- Extended statistics, with their own target where they have one.
SELECT
    3381::pg_catalog.oid AS class,
    s.oid,
    n.nspname::pg_catalog.text AS schema,
    s.stxname::pg_catalog.text AS name,
    ARRAY[pg_catalog.pg_get_statisticsobjdef(s.oid)]
        || CASE WHEN s.stxstattarget >= 0
                THEN ARRAY[pg_catalog.format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname, s.stxstattarget)]
                ELSE '{}' END AS statements,
    s.stxrelid AS relation
FROM pg_catalog.pg_statistic_ext AS s
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
WHERE s.oid >= 16384
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 3381 AND d.objid = s.oid AND d.deptype = 'e')
ORDER BY n.nspname, s.stxname;
