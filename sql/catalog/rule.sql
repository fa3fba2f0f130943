-- Rewrite rules of the user; the rule that is a view's query is read with the view.
SELECT
    r.oid,
    r.rulename::pg_catalog.text AS name,
    r.ev_class AS relation,
    n.nspname::pg_catalog.text AS schema,
    c.relname::pg_catalog.text AS table_name,
    r.ev_enabled AS state,
    pg_catalog.pg_get_ruledef(r.oid) AS definition
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.oid >= 16384
  AND NOT (r.rulename = '_RETURN' AND c.relkind IN ('v', 'm'))
  AND n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.deptype = 'e'
        AND ((d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid)
          OR (d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid)))
ORDER BY n.nspname, c.relname, r.rulename;
