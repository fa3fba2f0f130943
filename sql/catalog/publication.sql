-- Publications, without what they publish where that is a list. "wide": for all tables, which only a superuser may say.
SELECT
    6104::pg_catalog.oid AS class,
    p.oid,
    NULL::pg_catalog.text AS schema,
    p.pubname::pg_catalog.text AS name,
    ARRAY[pg_catalog.format('CREATE PUBLICATION %I%s WITH (publish = %L%s%s)', p.pubname,
        CASE WHEN p.puballtables THEN ' FOR ALL TABLES' END,
        pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END),
        CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' END,
        CASE WHEN j.row ->> 'pubgencols' = 's' THEN ', publish_generated_columns = stored' END)] AS statements,
    NULL::pg_catalog.oid AS relation,
    p.puballtables AS wide
FROM pg_catalog.pg_publication AS p
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(p) AS row) AS j
WHERE p.oid >= 16384
  -- A mirror's own, whose name ends in an installation's eight digits.
  AND p.pubname !~ '^mbs_[a-z0-9_]+_[0-9a-f]{8}$'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 6104 AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY p.pubname;
