-- Collations of the user. Columns that came with a version are taken from the row as JSON. The version of the provider's
-- library is not said: the destination writes its own.
SELECT
    3456::pg_catalog.oid AS class,
    c.oid,
    n.nspname::pg_catalog.text AS schema,
    c.collname::pg_catalog.text AS name,
    ARRAY[pg_catalog.format('CREATE COLLATION %I.%I (provider = %s, ', n.nspname, c.collname,
            CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END)
        || CASE WHEN NOT c.collisdeterministic THEN 'deterministic = false, ' ELSE '' END
        || CASE WHEN c.collprovider <> 'c' OR c.collcollate = c.collctype
                THEN pg_catalog.format('locale = %L', COALESCE(
                    j.row ->> 'colllocale', j.row ->> 'colliculocale', j.row ->> 'collcollate'))
                ELSE pg_catalog.format('lc_collate = %L, lc_ctype = %L', c.collcollate, c.collctype) END
        || CASE WHEN j.row ->> 'collicurules' <> '' THEN pg_catalog.format(', rules = %L', j.row ->> 'collicurules') ELSE '' END
        || ')'] AS statements,
    NULL::pg_catalog.oid AS relation
FROM pg_catalog.pg_collation AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.collnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(c) AS row) AS j
WHERE c.oid >= 16384
  AND c.collprovider IN ('c', 'i', 'b')
  AND n.nspname <> 'pg_catalog'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 3456 AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.collname;
