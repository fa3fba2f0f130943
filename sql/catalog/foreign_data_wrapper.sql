-- Foreign-data wrappers that no extension brings.
SELECT
    2328::pg_catalog.oid AS class,
    w.oid,
    NULL::pg_catalog.text AS schema,
    w.fdwname::pg_catalog.text AS name,
    ARRAY[pg_catalog.format('CREATE FOREIGN DATA WRAPPER %I%s%s%s', w.fdwname,
        (SELECT pg_catalog.format(' HANDLER %I.%I', n.nspname, p.proname)
         FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE p.oid = w.fdwhandler),
        (SELECT pg_catalog.format(' VALIDATOR %I.%I', n.nspname, p.proname)
         FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace WHERE p.oid = w.fdwvalidator),
        (SELECT ' OPTIONS (' || pg_catalog.string_agg(pg_catalog.format('%I %L', o.option_name, o.option_value), ', ' ORDER BY o.option_name) || ')'
         FROM pg_catalog.pg_options_to_table(w.fdwoptions) AS o))] AS statements,
    NULL::pg_catalog.oid AS relation
FROM pg_catalog.pg_foreign_data_wrapper AS w
WHERE w.oid >= 16384
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 2328 AND d.objid = w.oid AND d.deptype = 'e')
ORDER BY w.fdwname;
