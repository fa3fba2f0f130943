-- Foreign servers.
SELECT
    1417::pg_catalog.oid AS class,
    s.oid,
    NULL::pg_catalog.text AS schema,
    s.srvname::pg_catalog.text AS name,
    ARRAY[pg_catalog.format('CREATE SERVER %I%s%s FOREIGN DATA WRAPPER %I%s', s.srvname,
        CASE WHEN s.srvtype <> '' THEN pg_catalog.format(' TYPE %L', s.srvtype) END,
        CASE WHEN s.srvversion <> '' THEN pg_catalog.format(' VERSION %L', s.srvversion) END,
        w.fdwname,
        (SELECT ' OPTIONS (' || pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ' ORDER BY o.option_name) || ')'
         FROM pg_catalog.pg_options_to_table(s.srvoptions) AS o))] AS statements,
    NULL::pg_catalog.oid AS relation
FROM pg_catalog.pg_foreign_server AS s
JOIN pg_catalog.pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
WHERE s.oid >= 16384
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 1417 AND d.objid = s.oid AND d.deptype = 'e')
ORDER BY s.srvname;
